"""`agenttrail filter`: a line in, its masked line out, whatever happens in between."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agenttrail.cli._filter_stream import Reader, Stopper
from tests.cli._run import BINARY, agenttrail

FAST = ("filter", "--profile", "fast")
CANARY = "planted.person@example.com"
CARD = "4111111111111111"
GOLDEN = Path(__file__).parents[1] / "golden"


def lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def failed(line: dict[str, Any]) -> bool:
    return line["agenttrail"]["pii"].get("failed") is True


class Live:
    """A running filter that is talked to line by line."""

    def __init__(self, *arguments: str, **popen: Any) -> None:
        self.process = subprocess.Popen(
            [BINARY, *arguments],
            **{"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **popen},
        )  # fmt: skip
        self.buffer = b""

    def say(self, line: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def hear(self, wait_s: float = 30.0) -> bytes:
        """The next line that it answers."""
        assert self.process.stdout is not None
        deadline = time.monotonic() + wait_s
        while b"\n" not in self.buffer:
            left = deadline - time.monotonic()
            assert select.select([self.process.stdout], [], [], max(left, 0))[0], "no answer"
            data = os.read(self.process.stdout.fileno(), 1 << 16)
            assert data, f"it ended: {self.process.wait()}"
            self.buffer += data
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line

    def ask(self, line: bytes) -> bytes:
        self.say(line)
        return self.hear()

    def worker(self) -> int:
        """The process that masks."""
        found = subprocess.run(
            ["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True, check=True
        )
        return int(found.stdout.split()[-1])

    def end(self) -> tuple[int, str]:
        """Closes its input; gives its exit code and what it said on stderr."""
        out, err = self.process.communicate(timeout=30)
        assert CANARY.encode() not in out + (err or b"")
        self.buffer += out
        return self.process.returncode, (err or b"").decode()


@contextlib.contextmanager
def running(*arguments: str, **popen: Any) -> Iterator[Live]:
    live = Live(*FAST, *arguments, **popen)
    try:
        yield live
    finally:
        live.process.kill()
        live.process.communicate()


@pytest.mark.parametrize(
    "line, answer",
    [
        (b"mail ann@example.com now", b"mail <EMAIL_ADDRESS> now"),
        (b'{"to":["ann@example.com"],"n":1.10,"id":7}', b'{"to":["<EMAIL_ADDRESS>"],"n":1.10,"id":7}'),
        (b'{"ann@example.com":1,"s":"{\\"to\\":\\"ann@example.com\\"}"}', b'{"<EMAIL_ADDRESS>":1,"s":"{\\"to\\":\\"<EMAIL_ADDRESS>\\"}"}'),
        (b"\xff\xfe ann@example.com", "\ufffd\ufffd <EMAIL_ADDRESS>".encode()),
        (b"a\x00b ann@example.com", b"a\x00b <EMAIL_ADDRESS>"),
        (b"", b""),
        (b'{"half": "ann@example.com', b'{"half": "<EMAIL_ADDRESS>'),
        (b"windows\r", b"windows"),
    ],
)  # fmt: skip
def test_a_line_keeps_its_shape(shared: Live, line: bytes, answer: bytes) -> None:
    assert shared.ask(line) == answer


@pytest.fixture(scope="module")
def shared() -> Iterator[Live]:
    with running() as live:
        yield live


def test_every_line_is_answered_in_order_in_one_run(tmp_path: Path) -> None:
    said = "".join(f'{{"n":{n},"to":"ann{n}@example.com"}}\n' for n in range(5000))
    done = agenttrail(tmp_path, *FAST, stdin=said.encode() + b"last ann@example.com")
    assert done.code == 0
    answered = done.out.splitlines()
    assert [json.loads(a) for a in answered[:-1]] == [
        {"n": n, "to": "<EMAIL_ADDRESS>"} for n in range(5000)
    ]
    assert answered[-1] == "last <EMAIL_ADDRESS>"
    assert done.err == "agenttrail filter: 5,001 lines read, 5,001 answered\n"


def test_what_is_there_already_is_one_batch_and_a_single_line_waits_for_nothing() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"x\n" * 2000)
    with Stopper() as stop:
        batches = Reader(reading, stream="s", max_line_bytes=4096, stop=stop).batches()
        assert len(next(batches)) == 2000
        os.write(writing, b"one\n")
        assert [record.data for record in next(batches)] == [b"one"]
        os.write(writing, b"without a break")
        os.close(writing)
        assert [[r.data for r in batch] for batch in batches] == [[b"without a break"]]
    os.close(reading)


@pytest.mark.parametrize("piece", [1, 7, 64])
def test_lines_may_come_in_any_pieces(shared: Live, piece: int) -> None:
    """Vector's and Fluent Bit's exec and Logstash's pipe write what their buffers hold."""
    said = 'mail ann@example.com\n{"to":"ann@example.com"}\nโทร 081-555-0199\n'.encode()
    assert shared.process.stdin is not None
    for start in range(0, len(said), piece):
        shared.process.stdin.write(said[start : start + piece])
        shared.process.stdin.flush()
        time.sleep(0.001)
    assert [shared.hear() for _ in range(3)] == [
        b"mail <EMAIL_ADDRESS>", b'{"to":"<EMAIL_ADDRESS>"}', "โทร <PHONE_NUMBER>".encode(),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "protocol, line",
    [
        ("jsonl", b'{"to":"planted.person@example.com"}'),
        ("rsyslog", b'{"msg":"planted.person@example.com","$!":{}}'),
    ],
)
def test_masking_that_hangs_or_dies_costs_a_line_its_content_and_nothing_else(
    protocol: str, line: bytes
) -> None:
    with running("--protocol", protocol, "--timeout-s", "0.7") as live:
        good = live.ask(line)
        assert b"<EMAIL_ADDRESS>" in good
        good = _without_id(good)
        os.kill(live.worker(), signal.SIGSTOP)
        answer = live.ask(line)
        assert b"MaskTimeout" in answer
        assert b"planted" not in answer
        assert _without_id(live.ask(line)) == good
        os.kill(live.worker(), signal.SIGKILL)
        assert _without_id(live.ask(line)) == good
        code, err = live.end()
    assert code == 1
    assert "4 lines read, 4 answered; 1 with the envelope only (MaskTimeout 1)" in err
    assert "started again 2 times" in err


def _without_id(answer: bytes) -> Any:
    """An answer but for what no two have in common."""
    value = json.loads(answer)
    value.get("$!", {}).get("agenttrail", {}).pop("id", None)
    return value


def test_a_line_of_5_mb_is_answered_without_its_content_getting_out_and_in_bounded_memory() -> None:
    """Texts over the mask's limit are left out; a line over the filter's is an envelope."""
    many = json.dumps({"rows": [{"to": CANARY, "card": CARD, "n": n} for n in range(60_000)]})
    one = json.dumps({"text": f"{CANARY} " * 180_000})
    assert min(len(many), len(one)) > 4_500_000
    # Address space of the process that reads and of the one that masks alike.
    limit = (3_000_000_000, 3_000_000_000)
    with running(
        "--max-line-bytes", "6000000", "--timeout-s", "60",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, limit),
    ) as live:  # fmt: skip
        for text in (many, one):
            answer = live.ask(text.encode())
            assert CANARY.encode() not in answer
            assert CARD.encode() not in answer
            value = json.loads(answer)
            assert "rows" in value or "text" in value or failed(value)
        answer = json.loads(live.ask(one.encode() + one.encode()))
        assert failed(answer)
        assert answer["agenttrail"]["pii"]["error"] == "too_long"
        assert answer["agenttrail"]["source"]["bytes"] == len(one) * 2
        assert live.ask(b"mail ann@example.com") == b"mail <EMAIL_ADDRESS>"
        code, _ = live.end()
    assert code == 1


def test_masking_that_runs_out_of_memory_answers_envelopes_and_goes_on() -> None:
    """The process that masks gets less than the line needs."""
    text = json.dumps([[CANARY, n, {"k": n}] for n in range(100_000)])
    with running("--timeout-s", "60") as live:
        live.ask(b"x")
        worker = live.worker()
        with open(f"/proc/{worker}/statm") as file:
            size = int(file.read().split()[0]) * resource.getpagesize()
        resource.prlimit(worker, resource.RLIMIT_AS, (size + 30_000_000,) * 2)
        answer = live.ask(text.encode())
        assert CANARY.encode() not in answer
        assert live.ask(b"mail ann@example.com") == b"mail <EMAIL_ADDRESS>"
        live.end()


def test_sigterm_answers_what_was_read_and_ends_well() -> None:
    with running() as live:
        assert live.ask(b"mail ann@example.com") == b"mail <EMAIL_ADDRESS>"
        live.say(b"mail " + CANARY.encode())
        live.process.send_signal(signal.SIGTERM)
        assert live.hear() == b"mail <EMAIL_ADDRESS>"
        code, err = live.end()
    assert (code, err) == (0, "agenttrail filter: 2 lines read, 2 answered\n")


def test_a_reader_that_leaves_ends_it_without_a_word() -> None:
    with running() as live:
        live.ask(b"x")
        assert live.process.stdout is not None
        live.process.stdout.close()
        live.say(b"mail " + CANARY.encode())
        assert live.process.wait(30) == 1
        assert live.process.stderr is not None
        assert live.process.stderr.read() == b""


def test_messages_never_go_into_the_pipe_of_answers() -> None:
    """rsyslog gives a program one pipe for both, no environment and a closed stderr of its own."""
    kept = {k: v for k, v in os.environ.items() if k == "PYTHONPATH"}
    with running("--protocol", "rsyslog", stderr=subprocess.STDOUT, env=kept) as live:
        answer = own(live.ask(b'{"msg":"mail ann@example.com"}'))
        assert (answer["line"], answer["status"]) == ("mail <EMAIL_ADDRESS>", "masked")
        assert own(live.ask(b"no json"))["status"] == "failed"
        code, _ = live.end()
        assert (code, live.buffer) == (1, b"")


def test_the_log_gets_the_messages_instead(tmp_path: Path) -> None:
    done = agenttrail(tmp_path, *FAST, "--log", "filter.log", stdin=b"x\n")
    assert (done.code, done.err) == (0, "")
    assert (tmp_path / "filter.log").read_text() == "agenttrail filter: 1 lines read, 1 answered\n"


def test_the_process_that_reads_does_not_load_the_model() -> None:
    """It must outlive a mask that needs too much memory."""
    program = (
        "import sys, io, agenttrail.cli as cli\n"
        "cli.main(['filter', '--profile', 'fast'])\n"
        "print([n for n in ('spacy', 'presidio_analyzer', 'numpy') if n in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], input=b"", capture_output=True, check=True
    )
    assert done.stdout == b"[]\n"


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--format", "jsonl"], "--format has no effect"),
        (["--mode", "normalise", "--format", "nope"], "no format is called 'nope'"),
        (["--line-key", "log"], "--line-key has no effect"),
        (["--protocol", "fluentd", "--interface-input", "msg"], "--interface-input has no effect"),
        (["--rest", "x"], "--rest has no effect"),
        (["--protocol", "rsyslog", "--mode", "normalise"], "needs --rest FILE"),
        (["--timeout-s", "0"], "must be positive"),
        (["--max-line-bytes", "10"], "at least 1024"),
        (["-c", "nope.yaml"], "nope.yaml"),
    ],
)
def test_wrong_options_are_told_before_anything_is_read(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    done = agenttrail(tmp_path, "filter", *arguments, stdin=CANARY.encode())
    assert done.code == 2
    assert said in done.err
    assert done.out == ""


def test_a_mask_that_cannot_be_built_ends_it_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(
        "sources: [{type: stdin}]\nsinks: [{type: jsonl, path: x}]\n"
        "mask: {type: presidio, spacy_model: no_such_model}\n"
    )
    done = agenttrail(tmp_path, "filter", "-c", "p.yaml", stdin=CANARY.encode())
    assert (done.code, done.out) == (1, "")
    assert "no_such_model" in done.err


PIPELINE = """
sources: [{type: stdin}]
format: {type: jsonl, fields: {user.name: who}}
enrichers: [{type: set_fields, fields: {organization.name: Example}}]
mask: {type: presidio, profile: fast, operators: {EMAIL_ADDRESS: drop}}
sinks: [{type: jsonl, path: x}]
"""


def test_a_pipeline_file_says_mask_format_and_enrichers(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(PIPELINE)
    stdin = b'{"who":"ann","to":"ann@example.com"}\n'
    done = agenttrail(tmp_path, "filter", "-c", "p.yaml", stdin=stdin)
    assert json.loads(done.out)["to"] == "<DROPPED>"
    (event,) = lines(agenttrail(tmp_path, "filter", "-c", "p.yaml", "--mode", "normalise", stdin=stdin).out)  # fmt: skip
    assert event["organization"]["name"] == "Example"
    assert event["user"]["name"] == "<USER_NAME>"
    assert event["agenttrail"]["source"]["raw"] == {"to": "<DROPPED>"}


@pytest.mark.parametrize("case", ["mcp_jsonrpc/conversation", "codex/turn"])
def test_normalised_lines_are_those_of_a_run(tmp_path: Path, case: str) -> None:
    form, _ = case.split("/")
    stdin = (GOLDEN / f"{case}.in.jsonl").read_bytes()
    config = tmp_path / "p.yaml"
    config.write_text(
        f"sources: [{{type: stdin, name: same}}]\nformat: {{type: {form}}}\n"
        "mask: {type: presidio, profile: fast}\nsinks: [{type: jsonl, path: '-'}]\n"
    )
    expected = agenttrail(tmp_path, "run", "-q", "-c", "p.yaml", stdin=stdin)
    done = agenttrail(
        tmp_path, "filter", "-c", "p.yaml", "--mode", "normalise", "--stream", "same", stdin=stdin
    )
    assert _untimed(done.out) == _untimed(expected.out)
    assert len(lines(done.out)) > 3


def _untimed(out: str) -> list[Any]:
    """Lines without the time of reading, which two runs do not share."""
    made = lines(out)
    for event in made:
        if event["agenttrail"]["source"]["time"] == "read":
            del event["@timestamp"]
    return made


def test_lines_that_no_format_knows_come_out_as_unreadable_events(tmp_path: Path) -> None:
    done = agenttrail(tmp_path, *FAST, "--mode", "normalise", stdin=b"to ann@example.com\n\nmore\n")
    first, second = lines(done.out)
    assert first["event"]["action"] == second["event"]["action"] == "unreadable"
    assert first["agenttrail"]["source"]["raw"] == {"value": "to <EMAIL_ADDRESS>"}
    assert "1 dropped (blank 1)" in done.err


def wrapped(text: str, *, file: str = "/var/log/agents/a.log", uuid: str = "") -> bytes:
    own = {"metadata": {"filename": file}, "agenttrail_uuid": uuid}
    return json.dumps({"msg": text, "$!": own}).encode()


def own(answer: bytes) -> dict[str, Any]:
    """What an answer sets, and that it sets nothing else."""
    value = json.loads(answer)
    assert list(value) == ["$!"]
    assert list(value["$!"]) == ["agenttrail"]
    return value["$!"]["agenttrail"]


def test_rsyslog_gets_exactly_one_answer_a_line_and_held_events_come_later(tmp_path: Path) -> None:
    call = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"to":"ann@example.com"}}}'
    open_ = '{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"wait","arguments":{}}}'
    answer = '{"jsonrpc":"2.0","id":1,"result":{"content":[]}}'
    with running(
        "--protocol", "rsyslog", "--mode", "normalise", "--format", "mcp_jsonrpc",
        "--rest", str(tmp_path / "rest.jsonl"),
    ) as live:  # fmt: skip
        answers = [
            own(live.ask(line))
            for line in (wrapped(call), wrapped(open_), wrapped(""), wrapped(answer), b"nonsense", wrapped("no json ann@example.com"))
        ]  # fmt: skip
        live.end()
    assert [a["status"] for a in answers] == [
        "held",
        "held",
        "dropped",
        "masked",
        "failed",
        "masked",
    ]
    assert [a["count"] for a in answers] == [0, 0, 0, 1, 1, 1]
    paired = json.loads(answers[3]["line"])
    assert paired["gen_ai"]["tool"]["call"]["arguments"] == {"to": "<EMAIL_ADDRESS>"}
    assert paired["agenttrail"]["source"]["file"] == "/var/log/agents/a.log"
    assert "ann@" not in str(answers)
    (held,) = lines((tmp_path / "rest.jsonl").read_text())
    assert held["gen_ai"]["tool"]["name"] == "wait"
    assert (tmp_path / "rest.jsonl").stat().st_mode & 0o777 == 0o600


def test_rsyslog_by_message_takes_the_line_as_it_is() -> None:
    with running("--protocol", "rsyslog", "--interface-input", "msg") as live:
        assert own(live.ask(b'{"msg":"ann@example.com"}'))["line"] == '{"msg":"<EMAIL_ADDRESS>"}'
        # A zero byte would end the text there.
        assert own(live.ask(b"\0"))["line"] == "\ufffd"
        # A message with a line break, which comes at once, is one message.
        assert own(live.ask(b"a\nann@example.com"))["line"] == "a\n<EMAIL_ADDRESS>"


def test_a_message_with_a_line_break_is_one_message_in_fulljson() -> None:
    with running("--protocol", "rsyslog") as live:
        assert own(live.ask(wrapped("a\nann@example.com")))["line"] == "a\n<EMAIL_ADDRESS>"


def test_a_question_that_was_given_up_never_shifts_the_answers_of_later_ones() -> None:
    """rsyslog stops waiting where a signal interrupts it, and asks the next question at once."""
    with running("--protocol", "rsyslog") as live:
        live.ask(wrapped("warm"))
        for number in range(20):
            live.say(wrapped(f"given up {number}", uuid=f"x{number}"))
            if number % 2:
                time.sleep(0.01)  # its answer lies unread when the next question comes
            answer = own(live.ask(wrapped(f"second {number}", uuid=f"y{number}")))
            if answer["uuid"] == f"x{number}":
                # Taken for the second's; rsyslog sees that by the uuid. The next is in step again.
                answer = own(live.ask(wrapped(f"third {number}", uuid=f"y{number}")))
            assert answer["uuid"] == f"y{number}"
            assert answer["line"].endswith(f" {number}")
            assert not answer["line"].startswith("given")


def record(line: str, tag: str) -> bytes:
    return json.dumps({"message": line, "tag": tag, "time": 1700000000.5}).encode() + b"\n"


def test_fluentd_records_keep_their_shape_and_what_is_none_is_an_envelope(tmp_path: Path) -> None:
    stdin = record('{"to":"ann@example.com"}', "agent.a") + b"[1]\nann@example.com\n"
    done = agenttrail(tmp_path, *FAST, "--protocol", "fluentd", stdin=stdin)
    masked, first, second = lines(done.out)
    assert masked == {
        "message": '{"to":"<EMAIL_ADDRESS>"}', "tag": "agent.a", "time": 1700000000.5,
    }  # fmt: skip
    assert [e["agenttrail"]["pii"]["error"] for e in (first, second)] == [
        "not_an_object",
        "not_json",
    ]
    assert done.code == 1


def test_fluentd_streams_do_not_mix(tmp_path: Path) -> None:
    """Two sessions that use the same ids at the same time, told apart by their tag."""
    call = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"%s","arguments":{}}}'
    answer = '{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"%s"}]}}'
    stdin = b"".join(record(text % tag, tag) for text in (call, answer) for tag in ("a", "b"))
    done = agenttrail(
        tmp_path, *FAST, "--protocol", "fluentd", "--mode", "normalise", "--format", "mcp_jsonrpc",
        stdin=stdin,
    )  # fmt: skip
    events = lines(done.out)
    assert [e["gen_ai"]["tool"]["name"] for e in events] == ["a", "b"]
    assert [e["gen_ai"]["tool"]["call"]["result"]["content"][0]["text"] for e in events] == [
        "a",
        "b",
    ]
    assert len({e["event"]["id"] for e in events}) == 2


def test_an_answer_that_nobody_takes_yet_holds_the_reading_up() -> None:
    """Backpressure: nothing is read without bound while the collector is busy."""
    with running() as live:
        live.ask(b"x")
        sent = 0
        assert live.process.stdin is not None
        os.set_blocking(live.process.stdin.fileno(), False)
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:
            try:
                sent += os.write(live.process.stdin.fileno(), b"y" * 1000 + b"\n")
            except BlockingIOError:
                time.sleep(0.05)
        assert 0 < sent < 20_000_000
        os.set_blocking(live.process.stdin.fileno(), True)
        taken = threading.Thread(target=live.end)
        taken.start()
        taken.join(30)
        assert not taken.is_alive()
    assert live.buffer.count(b"\n") == sent // 1001
