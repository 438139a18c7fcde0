"""collectors/rsyslog on the real daemon: what leaves is masked, in every fault, and nothing is lost."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.collectors import _canaries as canaries
from tests.collectors._door import Door
from tests.engines import rsyslog
from tests.engines._process import PROJECT
from tests.engines.elasticsearch import Server
from tests.engines.fixtures import required

pytestmark = pytest.mark.engine
FOLDER = PROJECT / "collectors" / "rsyslog"
SHIPPED = (FOLDER / "agenttrail.conf").read_text()
FAST = ("--profile", "fast")


@pytest.fixture(scope="module", autouse=True)
def _engine() -> None:
    with required():
        rsyslog.prepare()


def placed(folder: Path, text: str, program: Path) -> str:
    """The shipped file with the folders of a test."""
    for path, own in (
        ("/var/log/agents", "agents"), ("/var/spool/rsyslog", "spool"),
        ("/var/log/agenttrail", "out"), ("/run/agenttrail", "run"),
    ):  # fmt: skip
        (folder / own).mkdir(exist_ok=True)
        assert path in text
        text = text.replace(path, str(folder / own))
    assert "/opt/agenttrail/bin/agenttrail" in text
    return text.replace("/opt/agenttrail/bin/agenttrail", str(program))


def quick(text: str) -> str:
    """The same with limits that a test can wait for."""
    for before, after in (
        ("--timeout-s 30", "--timeout-s 2"),
        ('dequeueSlowdown="1000000"', 'dequeueSlowdown="100000"'),
    ):
        assert before in text
        text = text.replace(before, after)
    return text


class Pipeline:
    """A running daemon with the shipped configuration."""

    def __init__(self, daemon: rsyslog.Daemon) -> None:
        self.daemon, self.folder = daemon, daemon.folder

    def write(self, data: bytes) -> None:
        with (self.folder / "agents" / "a.jsonl").open("ab") as file:
            file.write(data)

    def out(self) -> bytes:
        path = self.folder / "out" / "masked.jsonl"
        return path.read_bytes() if path.exists() else b""

    def quarantine(self) -> bytes:
        path = self.folder / "spool" / "agenttrail-quarantine.log"
        return path.read_bytes() if path.exists() else b""

    def wait_for_lines(self, count: int) -> list[bytes]:
        self.daemon.wait_for(lambda: self.out().count(b"\n") >= count)
        return self.out().splitlines()

    def wait_for(self, numbers: range) -> None:
        """Every line arrives, masked."""
        wanted = set(numbers)
        self.daemon.wait_for(lambda: wanted <= canaries.arrived(self.out()))
        assert canaries.leaked(self.out()) == []

    def filter(self) -> int:
        return canaries.child(self.daemon.process.pid)

    def worker(self) -> int:
        return canaries.child(self.filter())


@contextlib.contextmanager
def running(*options: str, edit: Callable[[str], str] = quick) -> Iterator[Pipeline]:
    def configuration(folder: Path) -> str:
        return placed(folder, edit(SHIPPED), canaries.program(folder, *options))

    with rsyslog.start(configuration) as daemon:
        yield Pipeline(daemon)


@pytest.fixture(scope="module")
def pipeline() -> Iterator[Pipeline]:
    """One daemon for the rows that leave it as it was."""
    with running(*FAST) as made:
        made.write(canaries.lines(range(1)))
        made.wait_for(range(1))
        yield made


def test_the_sample_leaves_as_the_readme_shows_it() -> None:
    with running(edit=lambda text: text) as made:
        sample = (FOLDER / "sample.in.jsonl").read_bytes()
        made.write(sample)
        lines = made.wait_for_lines(sample.count(b"\n"))
    assert b"\n".join(lines) + b"\n" == (FOLDER / "sample.out.jsonl").read_bytes()


@pytest.mark.parametrize("elastic", [False, True])
def test_the_daemon_finds_nothing_wrong_with_the_configuration(
    elastic: bool, tmp_path: Path
) -> None:
    text = to_elasticsearch(SHIPPED) if elastic else SHIPPED
    assert rsyslog.check(placed(tmp_path, text, canaries.program(tmp_path)), tmp_path) == ""


def to_elasticsearch(text: str) -> str:
    """The shipped files together, as the second says."""
    head, ruleset, _ = text.partition('ruleset(\n    name="agenttrail_out"')
    assert ruleset
    return f"{head}\n# not used: /var/log/agenttrail\n{(FOLDER / 'elasticsearch.conf').read_text()}"


def test_messages_of_a_socket_are_masked_too(pipeline: Pipeline) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect(str(pipeline.folder / "run" / "log"))
        sender.send(b"<13>Nov 25 10:00:00 agent: " + canaries.line(900_003))
        sender.send(b"<13>Nov 25 10:00:00 agent: " + canaries.line(900_004))
    pipeline.wait_for(range(900_003, 900_005))


def test_several_files_and_lines_of_any_bytes_are_masked(pipeline: Pipeline) -> None:
    odd = b"\xff\xfe\x01 " + canaries.line(800_003) + b"\x00 end"
    (pipeline.folder / "agents" / "b.jsonl").write_bytes(
        odd + b"\n\n" + canaries.lines(range(800_004, 800_006))
    )
    pipeline.wait_for(range(800_003, 800_006))


def test_a_line_of_5_mb_is_masked(pipeline: Pipeline) -> None:
    rows = [[f"n={700_000};", canaries.PERSON, canaries.CARD]] * 70_000
    big = json.dumps(rows).encode()
    assert len(big) > 4_000_000
    pipeline.write(big + b"\n" + canaries.lines(range(700_001, 700_003)))
    pipeline.wait_for(range(700_001, 700_003))
    assert 700_000 in canaries.arrived(pipeline.out()) or b"MaskTimeout" in pipeline.out()


@pytest.mark.parametrize(
    "who, how",
    [("filter", signal.SIGKILL), ("worker", signal.SIGKILL), ("worker", signal.SIGSTOP)],
    ids=["filter killed", "mask killed", "mask hanging"],
)
def test_a_filter_that_is_killed_or_hangs_lets_nothing_out_and_loses_nothing(
    pipeline: Pipeline, who: str, how: signal.Signals
) -> None:
    first = {"filter": 100, "worker": 1_000 + how * 100}[who]
    whole = set(range(first, first + 40))
    for start in (first, first + 20):
        envelopes = pipeline.out().count(b"MaskTimeout")
        pipeline.write(canaries.lines(range(start, start + 20)))
        os.kill(pipeline.filter() if who == "filter" else pipeline.worker(), how)
        part = set(range(start, start + 20))

        def done(part: set[int] = part, envelopes: int = envelopes) -> bool:
            # A line over which masking hangs goes out as its envelope.
            lost = pipeline.out().count(b"MaskTimeout") - envelopes
            return len(part & canaries.arrived(pipeline.out())) + min(lost, 1) >= 20

        pipeline.daemon.wait_for(done)
    missing = whole - canaries.arrived(pipeline.out())
    assert len(missing) <= (2 if how == signal.SIGSTOP else 0)
    assert canaries.leaked(pipeline.out()) == []
    assert pipeline.quarantine() == b""


def test_a_mask_out_of_memory_lets_nothing_out_and_recovers(pipeline: Pipeline) -> None:
    pipeline.write(canaries.lines(range(500, 501)))
    pipeline.wait_for(range(500, 501))
    worker = pipeline.worker()
    with open(f"/proc/{worker}/statm") as file:
        size = int(file.read().split()[0]) * resource.getpagesize()
    resource.prlimit(worker, resource.RLIMIT_AS, (size + 20_000_000,) * 2)
    big = json.dumps([[canaries.PERSON, n, {"k": n}] for n in range(60_000)]).encode()
    pipeline.write(big + b"\n" + canaries.lines(range(501, 505)))
    pipeline.wait_for(range(501, 505))


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_a_daemon_that_is_restarted_in_mid_stream_loses_nothing(how: signal.Signals) -> None:
    with running(*FAST) as made:
        made.write(canaries.lines(range(1)))
        made.wait_for(range(1))
        made.write(canaries.lines(range(1, 300)))
        made.daemon.wait_for(lambda: len(canaries.arrived(made.out())) > 20)
        made.daemon.restart(how)
        made.write(canaries.lines(range(300, 320)))
        made.wait_for(range(320))


def test_a_program_that_cannot_be_started_keeps_everything_on_the_machine_and_aside() -> None:
    with running(*FAST) as made:
        program = made.folder / "agenttrail"
        program.rename(made.folder / "elsewhere")
        made.write(canaries.lines(range(5)))
        made.daemon.wait_for(lambda: made.quarantine().count(b"\n") == 5)
        assert canaries.arrived(made.quarantine()) == set(range(5))
        path = made.folder / "spool" / "agenttrail-quarantine.log"
        assert path.stat().st_mode & 0o077 == 0
        assert made.out() == b""
        (made.folder / "elsewhere").rename(program)
        made.write(canaries.lines(range(5, 8)))
        made.wait_for(range(5, 8))


def test_elasticsearch_that_goes_away_and_comes_back_gets_everything(
    elasticsearch: Server,
) -> None:
    """With the variant for Elasticsearch, on the real one, behind a door that is shut for a while."""
    door = Door(int(elasticsearch.url.rpartition(":")[2]))
    index = "logs-agenttrail.rsyslog-default"

    def edit(text: str) -> str:
        text = to_elasticsearch(quick(text)).replace('resumeInterval="5"', 'resumeInterval="1"')
        return text.replace('"9200"', f'"{door.port}"')

    def stored() -> bytes:
        try:
            return json.dumps(elasticsearch.search(index)).encode()
        except OSError:
            return b""

    with running(*FAST, edit=edit) as made:
        made.write(canaries.lines(range(20)))
        time.sleep(1)
        door.open()
        made.daemon.wait_for(lambda: canaries.arrived(stored()) == set(range(20)), 60)
        door.shut()
        made.write(canaries.lines(range(20, 60)))
        time.sleep(1)
        door.open()
        made.daemon.wait_for(lambda: canaries.arrived(stored()) == set(range(60)), 60)
        door.shut()
    assert canaries.leaked(stored()) == []
