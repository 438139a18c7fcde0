"""Fail closed, whole: what breaks while masking costs an event its content, and nothing shows the text.

Each case runs the installed command on a log that holds a canary, then looks for the canary in every
byte that was written: standard output and error, the sink's file, dead letters, and whatever else
stands in the folder afterwards, cores included.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from agenttrail import fields as f
from agenttrail.masks.presidio import PresidioMask, PresidioOptions
from tests.cli._run import Done, agenttrail
from tests.masks.conftest import event

CANARY = "zebra-4815-tulip"
RECOGNISERS = dedent(
    """
    import os, resource
    from presidio_analyzer import EntityRecognizer


    class Breaks(EntityRecognizer):
        def __init__(self):
            super().__init__(supported_entities=["ZEBRA"], name="Breaks")

        def load(self):
            pass

        def analyze(self, text, entities, nlp_artifacts=None):
            if "zebra-4815" in text:
                act = next((act for act in ("raise", "exhaust", "nest", "abort") if act in text), "none")
                getattr(self, act)(text)
            return []

        def none(self, text):
            pass

        def exhaust(self, text):
            # What is left is 100 MB; real allocations fail.
            with open("/proc/self/statm") as file:
                used = int(file.read().split()[0]) * resource.getpagesize()
            limits = resource.getrlimit(resource.RLIMIT_AS)
            resource.setrlimit(resource.RLIMIT_AS, (used + 10**8, limits[1]))
            try:
                held = [text * 10**6 for _ in range(10**4)]
            finally:
                resource.setrlimit(resource.RLIMIT_AS, limits)

        def nest(self, text):
            self.nest(text)

        def abort(self, text):
            os.abort()


    def fail(self, text):
        raise ValueError(f"cannot read {text}")


    setattr(Breaks, "raise", fail)
    """
)
RUNAWAY = r"""
recognizers:
  - name: Runaway
    supported_entity: RUNAWAY
    patterns: [{name: exponential, regex: '(a|aa)+$', score: 0.9}]
"""


def log(folder: Path, texts: list[str]) -> Path:
    """Calls with these texts as mcp_wire lines."""
    lines = [
        {
            "ts": f"2026-01-02T03:04:{number:02d}Z", "server": "desk", "dir": "c2s",
            "raw": json.dumps({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": "search", "arguments": {"text": text}}}),
        }
        for number, text in enumerate(texts)
    ]  # fmt: skip
    path = folder / "desk.wire.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def run(folder: Path, mask: Mapping[str, object], env: Mapping[str, str] | None = None) -> Done:
    """`agenttrail run` with this mask; the input lies in a folder of its own."""
    pipeline = {
        "sources": [{"type": "file", "paths": [str(folder / "in")]}],
        "mask": {"type": "presidio", "profile": "fast", **mask},
        "sinks": [{"type": "jsonl", "path": str(folder / "out.jsonl")}],
        "delivery": {"dead_letter": str(folder / "dead.jsonl")},
    }
    (folder / "pipeline.yaml").write_text(json.dumps(pipeline), encoding="utf-8")
    return agenttrail(folder, "run", "-c", "pipeline.yaml", env=env)


def written(folder: Path, done: Done) -> str:
    """Every byte that stands outside of the input."""
    files = [
        p for p in folder.rglob("*") if p.is_file() and "in" not in p.relative_to(folder).parts
    ]
    held = [p.read_bytes().decode("utf-8", "replace") for p in files]
    return "\n".join([done.out, done.err, *map(str, files), *held])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    code = tmp_path / "code"
    code.mkdir()
    (code / "own.py").write_text(RECOGNISERS, encoding="utf-8")
    (code / "runaway.yaml").write_text(RUNAWAY, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    "workers, breaks",
    [
        (1, {"raise": "ValueError", "exhaust": "MemoryError", "nest": "RecursionError", "run away": "TimeoutError"}),
        (2, {"raise": "ValueError", "abort": "WorkerLostError"}),
    ],
)  # fmt: skip
def test_what_breaks_drops_the_content_keeps_the_envelope_and_is_counted(
    folder: Path, workers: int, breaks: dict[str, str]
) -> None:
    """A recogniser that raises, runs out of memory, nests, never ends, or crashes its process."""
    texts = [f"{CANARY} to {act}: {'a' * 60 if ' ' in act else ''}!" for act in breaks]
    log(folder / "in", ["to bob@example.com", *texts, "to eve@example.com"])
    own = [str(folder / "code" / "own.py") + ":Breaks", str(folder / "code" / "runaway.yaml")]
    done = run(folder, {"recognizers": own, "workers": workers}, {"REGEX_TIMEOUT_SECONDS": "1"})
    lines = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
    assert len(lines) == len(texts) + 2, done.err
    first, *failed, last = lines
    for line in (first, last):
        assert "<EMAIL_ADDRESS>" in json.dumps(line)
        assert "failed" not in line["agenttrail"]["pii"]
    assert [line["agenttrail"]["pii"]["error"] for line in failed] == list(breaks.values())
    for number, line in enumerate(failed, start=2):
        assert line["agenttrail"]["pii"]["failed"] is True
        assert line["agenttrail"]["source"]["line"] == number
        assert line["event"]["action"] == "execute_tool"
        assert line["gen_ai"].get("tool", {}).get("call", {}).get("arguments") is None
    assert f"{len(breaks)} delivered without content, masking failed" in done.err
    # The recogniser's own code names its mark.
    everything = written(folder, done).replace(RECOGNISERS, "")
    assert not [piece for piece in (CANARY, "zebra", "tulip") if piece in everything]
    assert "Traceback" not in done.err
    assert not [p for p in folder.rglob("core*") if p.is_file()]


def test_a_missing_model_stops_the_run_before_the_first_line(folder: Path) -> None:
    log(folder / "in", [CANARY])
    done = run(folder, {"profile": "balanced", "spacy_model": "no_such_model"})
    assert done.code != 0
    assert "the spaCy model no_such_model is not installed" in done.err
    assert not (folder / "out.jsonl").exists()
    assert CANARY not in written(folder, done)


def test_no_core_is_written_where_native_code_crashes(folder: Path) -> None:
    """RLIMIT_CORE is 1 byte, which core(5) says stops pipes too; workers inherit it."""
    program = "import resource; from agenttrail.cli import main; main(['list']); print(resource.getrlimit(resource.RLIMIT_CORE)[0])"  # fmt: skip
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)  # fmt: skip
    assert said.stdout.split()[-1] in ("0", "1")


# Any attempt to reach out raises, and is told at the end.
REFUSED = dedent(
    """
    import sys

    tried = []

    def refuse(event, args):
        if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "socket.sendmsg", "urllib.Request"):
            tried.append(event)
            raise PermissionError(event)

    sys.addaudithook(refuse)
    from agenttrail.cli import main
    code = main(["run", "-i", "in", "-o", "out.jsonl"] + sys.argv[1:])
    print("tried", tried, file=sys.stderr)
    sys.exit(code)
    """
)


@pytest.mark.parametrize("profile", ["stock", "balanced"])
def test_a_whole_run_needs_no_network(folder: Path, profile: str) -> None:
    """E-mail addresses want a suffix list, Thai and Japanese names lists and dictionaries: all local."""
    texts = ["to bob@example.com", "Ann Lee lives in Paris, www.example.com", "คุณสมชาย ใจดี โทร 081-234-5678", "山田太郎様 taro@example.co.jp", "ທ່ານ ສົມພອນ ວົງສາ"]  # fmt: skip
    log(folder / "in", texts)
    command = [sys.executable, "-c", REFUSED, "--profile", profile]
    env = {k: v for k, v in os.environ.items() if not k.startswith("TLDEXTRACT")}
    env |= {"HOME": str(folder / "home"), "XDG_CACHE_HOME": str(folder / "cache")}
    made = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, env=env, check=False)  # fmt: skip
    assert made.returncode == 0, made.stderr
    assert made.stderr.rstrip().endswith("tried []")
    out = (folder / "out.jsonl").read_text(encoding="utf-8")
    assert "@example" not in out
    if profile != "stock":
        assert "081-234-5678" not in out
        assert "สมชาย" not in out


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare of util-linux")
def test_a_run_without_any_network_interface_is_the_same(folder: Path) -> None:
    log(folder / "in", ["to bob@example.com", "Ann Lee lives in Paris"])
    probe = subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False, timeout=20)
    if probe.returncode:
        pytest.skip("this system allows no user namespaces")
    command = [
        "unshare",
        "-rn",
        sys.executable,
        "-m",
        "agenttrail",
        "run",
        "-i",
        "in",
        "-o",
        "out.jsonl",
    ]
    made = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)  # fmt: skip
    assert made.returncode == 0, made.stderr
    out = (folder / "out.jsonl").read_text(encoding="utf-8")
    assert out.count("\n") == 2
    assert "@example" not in out


def test_an_error_of_ours_outside_the_mask_shows_no_text(folder: Path) -> None:
    """The last catch of the command names the class and the line of code, not the message."""
    log(folder / "in", [CANARY])
    program = dedent(
        f"""
        import sys
        from agenttrail.cli import main
        from agenttrail.sinks import jsonl

        def write(self, batch):
            raise LookupError({CANARY!r})

        jsonl.JsonlSink.write = write
        sys.exit(main(["run", "-i", "in", "-o", "out.jsonl", "--profile", "fast"]))
        """
    )
    made = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, timeout=120, check=False)  # fmt: skip
    assert made.returncode != 0
    assert "LookupError" in made.stderr
    assert CANARY not in written(folder, Done(made.returncode, made.stdout, made.stderr))


@pytest.fixture(scope="module")
def fast() -> PresidioMask:
    return PresidioOptions(profile="fast", max_text_chars=200_000).one()


def test_a_long_text_is_read_in_windows_that_overlap(fast: PresidioMask) -> None:
    """What stands on the edge of a window is found; windows have 20,000 characters, 500 of them twice."""
    for at in (19_985, 19_992, 20_000, 39_470):
        text = ("word " * 12_000)[: at - 1] + " bob@example.com " + "word " * 2_000
        (masked,) = fast([event({f.MESSAGE: text})])
        assert "bob@" not in masked.fields[f.MESSAGE]
        assert masked.fields[f.MESSAGE].count("<EMAIL_ADDRESS>") == 1


def test_a_text_beyond_the_limit_loses_its_end_only() -> None:
    """Up to the last word within the limit it is read; what follows is replaced and counted."""
    mask = PresidioOptions(profile="fast", max_text_chars=3_000).one()
    text = "mail bob@example.com " + "word " * 700 + "eve@example.com"
    (once,) = mask([event({f.MESSAGE: text})])
    said = once.fields[f.MESSAGE]
    assert said.startswith("mail <EMAIL_ADDRESS> word word")
    assert said.endswith("word <TEXT_TOO_LONG>")
    assert len(said) < 3_100
    assert once.fields[f.PII_BY_TYPE] == {"EMAIL_ADDRESS": 1, "TEXT_TOO_LONG": 1}
    assert mask([event(once.fields)])[0] == once
