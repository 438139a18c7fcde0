"""The demo recordings: complete, safe to publish, and what `record.py` would record again."""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import agenttrail
from agenttrail import fields as f
from agenttrail.formats.mcp_wire import McpWireOptions
from agenttrail.seams import Event
from agenttrail.testing import records

FOLDER = Path(__file__).parents[2] / "collectors" / "mcp_stdio"
RECORDINGS = sorted((FOLDER / "demo").glob("*.wire.jsonl"))
LANGUAGES = {"en", "th", "ja", "lo"}


def lines(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def messages(path: Path) -> list[tuple[str, dict[str, object]]]:
    return [
        (line["dir"], json.loads(line["raw"])) for line in lines(path) if line["dir"] != "stderr"
    ]


def events(path: Path) -> list[Event]:
    form = McpWireOptions().build()
    read = records(*path.read_bytes().splitlines(), path=path.name, stream=path.name)
    return [event for record in read for event in form(record)] + list(form.end(path.name))


def planted() -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads((FOLDER / "PLANTED.json").read_bytes())
    return found


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.name)
def test_every_line_is_one_message_of_a_known_direction(path: Path) -> None:
    for line in lines(path):
        assert list(line) == ["ts", "server", "conn", "dir", "raw"]
        assert f.DATE.fits(line["ts"])
        assert line["server"] == path.name.removesuffix(".wire.jsonl")
        assert line["dir"] in ("c2s", "s2c", "stderr")
    assert all(message["jsonrpc"] == "2.0" for _, message in messages(path))
    assert len({line["conn"] for line in lines(path)}) == 1


def test_the_recordings_are_small() -> None:
    assert len(RECORDINGS) == 6
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) < 300_000


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.name)
def test_no_recording_shows_the_machine_it_was_made_on(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for place in (str(FOLDER.parents[1]), "site-packages", "node_modules", "/root", ".venv"):
        assert place not in text
    assert not re.search(rf"\b{re.escape(platform.node())}\b", text)
    # Absolute paths are of the made-up person only; host names are reserved ones or of a schema.
    homes = set(re.findall(r"/(?:home|Users|tmp)/[\w.-]+", text))
    assert homes <= {"/home/somchai", "/tmp/agenttrail-demo"}
    hosts = set(re.findall(r"https?://([\w.-]+)", text))
    assert {host for host in hosts if not host.startswith("example.")} <= {
        "json-schema.org",
        "raw.githubusercontent.com",
        "modelcontextprotocol.io",
    }


def test_planted_values_are_where_the_list_says() -> None:
    for entry in planted():
        value, where = str(entry["value"]), entry["where"]
        escaped = json.dumps(value)[1:-1]
        forms = (value, escaped, json.dumps(escaped)[1:-1])
        found = {
            f"{path.name}:{line['dir']}"
            for path in RECORDINGS
            for line in lines(path)
            if any(form in line["raw"] for form in forms)
        }
        assert found == set(where), value  # type: ignore[call-overload]
        assert found, value


def test_personal_data_of_every_language_is_planted_in_every_direction() -> None:
    found = {
        (entry["language"], place.rsplit(":", 1)[1])
        for entry in planted()
        for place in entry["where"]  # type: ignore[attr-defined]
    }
    assert found == {(lang, way) for lang in LANGUAGES for way in ("c2s", "s2c", "stderr")}
    kinds = {str(entry["kind"]) for entry in planted()}
    assert kinds >= {"PERSON", "EMAIL_ADDRESS", "PHONE_NUMBER", "CREDIT_CARD", "LOCATION"}


def test_contact_data_is_of_kinds_that_belong_to_nobody() -> None:
    for entry in planted():
        value = str(entry["value"])
        if entry["kind"] == "EMAIL_ADDRESS":
            assert re.search(r"@example\.(com|co\.th|jp|la)$", value)
        if entry["kind"] == "PHONE_NUMBER":
            # 555-01xx is reserved for fiction; blocks of zeros are given to nobody.
            assert re.search(r"-555-01\d\d$| 000 |-0000-", value)
        if entry["kind"] == "CREDIT_CARD":
            assert value == "4111 1111 1111 1111"


def test_both_eras_are_there() -> None:
    opened = {path.name.split(".")[0]: messages(path)[0][1]["method"] for path in RECORDINGS}
    assert opened == {
        "desk": "server/discover",
        "desk-legacy": "initialize",
        "everything": "initialize",
        "files": "server/discover",
        "memory": "initialize",
        "time": "server/discover",
    }
    # The npm server knows no discovery: the client fell back to the handshake.
    files = messages(FOLDER / "demo" / "files.wire.jsonl")
    assert [m.get("method") for way, m in files if way == "c2s"][:2] == [
        "server/discover",
        "initialize",
    ]


def test_what_an_audit_log_must_cope_with_is_there() -> None:
    seen = Counter(
        str(message.get("method", "error" if "error" in message else "result"))
        for path in RECORDINGS
        for _, message in messages(path)
    )
    for method in (
        "tools/call", "resources/read", "prompts/get", "elicitation/create", "roots/list",
        "sampling/createMessage", "subscriptions/listen", "notifications/progress",
        "notifications/cancelled", "notifications/message", "notifications/resources/updated",
        "error",
    ):  # fmt: skip
        assert seen[method], method
    results = [m["result"] for path in RECORDINGS for _, m in messages(path) if "result" in m]
    assert any(result.get("isError") for result in results)  # type: ignore[attr-defined]
    assert any(result.get("resultType") == "input_required" for result in results)  # type: ignore[attr-defined]


# recording: requests that the server never answered, by what the format calls them
UNANSWERED = {
    "desk": ["nightly_export", "subscriptions/listen"],
    "desk-legacy": ["nightly_export"],
    "everything": [],
    "files": [],
    "memory": [],
    "time": [],
}


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.name)
def test_every_call_is_paired_with_its_result_but_those_never_answered(path: Path) -> None:
    made = events(path)
    assert {record.line for event in made for record in event.origins} == set(
        range(1, len(lines(path)) + 1)
    )
    assert not [event for event in made if event.fields[f.EVENT_KIND] == "pipeline_error"]
    unanswered = [
        event.fields.get(f.TOOL_NAME, event.fields[f.EVENT_ACTION])
        for event in made
        if event.fields.get(f.ERROR_TYPE) == "no_response"
    ]
    name = path.name.removesuffix(".wire.jsonl")
    # Closing a subscription races with the server's crash: it may end as cancelled.
    assert (
        set(UNANSWERED[name]) - {"subscriptions/listen"} <= set(unanswered) <= set(UNANSWERED[name])
    )
    calls = sum(m.get("method") == "tools/call" for _, m in messages(path))
    assert sum(e.fields.get(f.OPERATION_NAME) == "execute_tool" for e in made) == calls


def shape(path: Path) -> Counter[tuple[str, str]]:
    """What was said, but for its order and its words."""
    return Counter(
        (way, str(message.get("method", "error" if "error" in message else "result")))
        for way, message in messages(path)
        if message.get("method") != "notifications/cancelled"
    )


def record(into: Path, *sessions: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(agenttrail.__file__).parent.parent)}
    done = subprocess.run(
        [sys.executable, str(FOLDER / "record.py"), "--into", str(into), *sessions],
        env=environment, capture_output=True, timeout=300, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.engine
def test_a_client_talks_through_tap_to_real_python_servers_and_nothing_is_missing(
    tmp_path: Path,
) -> None:
    """The same session says the same things: what was recorded is all that was said."""
    sessions = ["time", "desk", "desk-legacy"]
    record(tmp_path, *sessions)
    for name in sessions:
        file = f"{name}.wire.jsonl"
        assert shape(tmp_path / file) == shape(FOLDER / "demo" / file)


@pytest.mark.engine
def test_a_client_talks_through_tap_to_real_servers_from_npm(tmp_path: Path) -> None:
    missing = [program for program in ("node", "npm") if shutil.which(program) is None]
    if missing and not os.environ.get("CI"):
        pytest.skip(f"{' and '.join(missing)} missing; install Node.js 20 or later")
    sessions = ["files", "memory", "everything"]
    record(tmp_path, *sessions)
    for name in sessions:
        file = f"{name}.wire.jsonl"
        assert shape(tmp_path / file) == shape(FOLDER / "demo" / file)
