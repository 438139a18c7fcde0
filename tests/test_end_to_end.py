"""The main job whole: recorded and real logs, real servers, crashes."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agenttrail import config
from agenttrail.runner import Runner
from agenttrail.seams import Event, MaskedEvent
from agenttrail.sources.file import FileOptions
from agenttrail.testing import MemorySink
from tests._events import assert_valid, masked
from tests.cli._run import BINARY, agenttrail
from tests.cli.test_run import wire
from tests.engines.elasticsearch import Server

ROOT = Path(__file__).parent.parent
DATA = ROOT.parent / "shared" / "data"
REAL = sorted(p for p in DATA.glob("**/*.json*") if p.parts[-2] != "pii") if DATA.exists() else []
INDEX = "logs-agenttrail.audit-"


def stored(server: Server, namespace: str) -> dict[str, object]:
    """Everything in a data stream, by id."""
    server.request("POST", f"/{INDEX}{namespace}/_refresh")
    found = server.request("GET", f"/{INDEX}{namespace}/_search?size=10000")
    return {hit["_id"]: hit["_source"] for hit in found["hits"]["hits"]}


@pytest.mark.engine
def test_killed_ten_times_the_events_are_those_of_one_undisturbed_run(
    tmp_path: Path, elasticsearch: Server
) -> None:
    """kill -9 at random points, then a normal run: same documents, none twice, none missing."""
    rng = random.Random(20260101)
    (tmp_path / "logs").mkdir()
    for name in ("a", "b"):
        # Calls and answers interleave, so that a kill always finds some half-way.
        halves = [
            wire(n, f"mail {name}{n}@example.com").splitlines(keepends=True) for n in range(500)
        ]
        lines = [pair[0] for pair in halves[:20]]
        for number, (_, answer) in enumerate(halves):
            lines.append(answer)
            if number + 20 < len(halves):
                lines.append(halves[number + 20][0])
        (tmp_path / "logs" / f"{name}.jsonl").write_bytes(b"".join(lines))
    namespace = f"kill{os.getpid()}"
    (tmp_path / "p.yaml").write_text(
        f"""
sources: [{{type: file, paths: [logs], checkpoint: c.json}}]
enrichers: [{{type: set_fields, fields: {{data_stream.namespace: {namespace}}}}}]
sinks:
  - {{type: elasticsearch, url: "{elasticsearch.url}"}}
  - {{type: jsonl, path: out.jsonl}}
delivery: {{batch_events: 10}}
"""
    )
    assert agenttrail(tmp_path, "setup", "elasticsearch", "--url", elasticsearch.url).code == 0
    killed = 0
    for _ in range(10):
        process = subprocess.Popen([BINARY, "run", "-c", "p.yaml", "-q"], cwd=tmp_path)
        before = (
            len((tmp_path / "out.jsonl").read_bytes()) if (tmp_path / "out.jsonl").exists() else 0
        )
        # Not while the model loads: once it has begun to deliver, at a random moment.
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            out = tmp_path / "out.jsonl"
            if out.exists() and out.stat().st_size > before:
                break
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.08))
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
    assert killed >= 5, "the runs ended before they could be killed: make the input larger"
    done = agenttrail(tmp_path, "run", "-c", "p.yaml", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["balanced"]

    undisturbed = agenttrail(tmp_path, "run", "-i", "logs", "-o", "expected.jsonl", "-q", "--json")
    assert undisturbed.code == 0
    expected = {}
    for line in (tmp_path / "expected.jsonl").read_bytes().splitlines():
        document = json.loads(line)
        document["data_stream"]["namespace"] = namespace
        expected[document["event"]["id"]] = document
    assert len(expected) == 1000
    assert stored(elasticsearch, namespace) == expected
    # The file beside it holds each event once, too.
    lines = (tmp_path / "out.jsonl").read_bytes().splitlines()
    assert sorted(json.loads(line)["event"]["id"] for line in lines) == sorted(expected)


@pytest.mark.engine
def test_the_demo_ships_to_elasticsearch_and_its_calls_are_found_there(
    elasticsearch: Server,
) -> None:
    """One more command, and a person finds the refunds of the recorded desk."""
    env = {**os.environ, "AGENTTRAIL_ELASTICSEARCH_URL": elasticsearch.url}
    subprocess.run(
        [sys.executable, "collectors/mcp_stdio/demo.py"],
        cwd=ROOT, env=env, check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    elasticsearch.request("POST", f"/{INDEX}default/_refresh")
    query = {"bool": {"filter": [
        {"term": {"gen_ai.tool.name": "refund"}}, {"term": {"agenttrail.mcp.server.name": "desk"}},
        {"term": {"event.outcome": "success"}},
    ]}}  # fmt: skip
    found = elasticsearch.search(f"{INDEX}default", query)
    assert found


def test_the_demo_runs_without_a_server_and_tells_the_truth() -> None:
    """Every line valid; what it says is masked is nowhere; what it says is readable is."""
    env = {k: v for k, v in os.environ.items() if k != "AGENTTRAIL_ELASTICSEARCH_URL"}
    done = subprocess.run(
        [sys.executable, "collectors/mcp_stdio/demo.py"],
        cwd=ROOT, env=env, check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    told = " ".join(done.stdout.decode().split())
    text = (ROOT / "out" / "demo.jsonl").read_text()
    lines = text.splitlines()
    for line in lines:
        assert_valid(line.encode())
    planted = json.loads((ROOT / "collectors/mcp_stdio/PLANTED.json").read_text())
    readable = [item for item in planted if item["value"] in text]
    assert f"{len(lines)} events from" in told
    assert f"Of {len(planted)} planted values {len(planted) - len(readable)} are gone" in told
    # Kinds with a structure must all be gone, in whatever language they were embedded.
    structured = {"EMAIL_ADDRESS", "PHONE_NUMBER", "CREDIT_CARD", "IP_ADDRESS", "TH_TNIN"}
    assert [item for item in readable if item["kind"] in structured] == []


class Envelopes:
    """Stands in for a mask where only formats are looked at."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, events: list[Event], /) -> list[MaskedEvent]:
        self.events += events
        return [masked(dict(event.fields)) for event in events]


@pytest.mark.skipif(not REAL, reason="the shared data is not beside the project")
@pytest.mark.parametrize("path", [p for p in REAL if p.suffix == ".jsonl"], ids=lambda p: p.name)
def test_every_real_log_is_read_whole_and_every_line_is_valid(path: Path) -> None:
    """No crash, both ledgers balance, each tool call has its result where the log has it."""
    mask = Envelopes()
    sink = MemorySink()
    outcome = Runner(
        source=FileOptions(paths=(str(path),)).build(), format=config.AutoOptions().build(),
        mask=mask, sinks={"memory": sink},
    ).run()  # type: ignore[arg-type]  # fmt: skip
    assert outcome.failure is None
    assert outcome.notices == []
    assert outcome.counts.balance() == []
    assert outcome.counts.lines_failed == outcome.counts.lines_held == 0
    for event in sink.events:
        assert_valid(event.line)
    assert len({event.fields["event.id"] for event in sink.events}) == len(sink.events)


@pytest.mark.skipif(not REAL, reason="the shared data is not beside the project")
def test_real_sessions_become_masked_lines(tmp_path: Path) -> None:
    """Several formats in one run, through the real mask; home folders' owners are gone."""
    names = ["short", "edge_cases", "representative_messages", "session_b", "todowrite_examples"]
    inputs = [str(DATA / "agents" / "claude_code" / f"{name}.jsonl") for name in names]
    inputs.append(str(next((DATA / "mcp" / "streamable_http").glob("*.jsonl"))))
    done = agenttrail(tmp_path, "run", "-i", *inputs, "-o", "o.jsonl", "--json")
    assert done.code == 0, done.err
    report = json.loads(done.out)
    assert report["balanced"]
    # edge_cases.jsonl holds six lines that are no rows ("massive error", 42, [1], …).
    assert (report["unreadable"], report["events"]["quarantined"]) == (6, 0)
    text = (tmp_path / "o.jsonl").read_bytes()
    for line in text.splitlines():
        assert_valid(line)
    assert b"/home/alexw" not in text
