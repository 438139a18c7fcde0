"""collectors/syslog_ng on the real daemon: what leaves is masked, in every fault, and nothing is lost."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import agenttrail
from tests.collectors import _canaries as canaries
from tests.collectors._door import Door
from tests.engines import syslog_ng
from tests.engines._process import PROJECT
from tests.engines.elasticsearch import Server
from tests.engines.fixtures import required

pytestmark = pytest.mark.engine
FOLDER = PROJECT / "collectors" / "syslog_ng"
SHIPPED = (FOLDER / "agenttrail.conf").read_text()
SOURCE = Path(agenttrail.__file__).parents[1]
LIBRARIES = next(path for path in sys.path if path.endswith("site-packages"))


@pytest.fixture(scope="module", autouse=True)
def _engine() -> None:
    with required():
        syslog_ng.prepare()


def placed(folder: Path, text: str) -> str:
    """The shipped file with the folders of a test and this interpreter's libraries."""
    for path, own in (
        ("/var/log/agents", "agents"), ("/var/lib/syslog-ng", "lib"),
        ("/var/log/agenttrail", "out"), ("/run/agenttrail", "run"),
    ):  # fmt: skip
        (folder / own).mkdir(exist_ok=True)
        assert path in text
        text = text.replace(path, str(folder / own))
    for path, own in (
        ("/opt/agenttrail/lib/python3.11/site-packages", LIBRARIES),
        ("/opt/agenttrail/bin/python", sys.executable),
    ):
        assert path in text
        text = text.replace(path, own)
    return text.replace("@version: 3.35", f"@version: {syslog_ng.prepare().version()}")


def quick(text: str) -> str:
    """The same with limits that a test can wait for, and without names."""
    for before, after in (
        ('"timeout_s" "30"', '"timeout_s" "2"'), ('"balanced"', '"fast"'),
        ("follow-freq(1)", "follow-freq(0.1)"),
    ):  # fmt: skip
        assert before in text
        text = text.replace(before, after)
    return text


class Pipeline:
    """A running daemon with the shipped configuration."""

    def __init__(self, daemon: syslog_ng.Daemon) -> None:
        self.daemon, self.folder = daemon, daemon.folder

    def write(self, data: bytes) -> None:
        with (self.folder / "agents" / "a.jsonl").open("ab") as file:
            file.write(data)

    def out(self) -> bytes:
        path = self.folder / "out" / "masked.jsonl"
        return path.read_bytes() if path.exists() else b""

    def quarantine(self) -> bytes:
        path = self.folder / "lib" / "agenttrail-quarantine.log"
        return path.read_bytes() if path.exists() else b""

    def wait_for_lines(self, count: int) -> list[bytes]:
        self.daemon.wait_for(lambda: self.out().count(b"\n") >= count)
        return self.out().splitlines()

    def wait_for(self, numbers: range) -> None:
        """Every line arrives, masked."""
        wanted = set(numbers)
        self.daemon.wait_for(lambda: wanted <= canaries.arrived(self.out()))
        assert canaries.leaked(self.out()) == []

    def worker(self) -> int:
        """The process that masks."""
        return canaries.child(self.daemon.process.pid)


@contextlib.contextmanager
def running(edit: Callable[[str], str] = quick) -> Iterator[Pipeline]:
    with syslog_ng.start(
        lambda folder: placed(folder, edit(SHIPPED)), env={"PYTHONPATH": str(SOURCE)}
    ) as daemon:
        yield Pipeline(daemon)


@pytest.fixture(scope="module")
def pipeline() -> Iterator[Pipeline]:
    """One daemon for the rows that leave it as it was."""
    with running() as made:
        made.write(canaries.lines(range(1)))
        made.wait_for(range(1))
        yield made


def test_the_sample_leaves_as_the_readme_shows_it() -> None:
    with running(lambda text: text) as made:
        sample = (FOLDER / "sample.in.jsonl").read_bytes()
        made.write(sample)
        lines = made.wait_for_lines(sample.count(b"\n"))
    assert b"\n".join(lines) + b"\n" == (FOLDER / "sample.out.jsonl").read_bytes()


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
    pipeline.write(json.dumps(rows).encode() + b"\n" + canaries.lines(range(700_001, 700_003)))
    pipeline.wait_for(range(700_001, 700_003))
    assert 700_000 in canaries.arrived(pipeline.out()) or b"MaskTimeout" in pipeline.out()


@pytest.mark.parametrize(
    "how", [signal.SIGKILL, signal.SIGSTOP], ids=["mask killed", "mask hanging"]
)
def test_a_mask_that_is_killed_or_hangs_lets_nothing_out_and_loses_nothing(
    pipeline: Pipeline, how: signal.Signals
) -> None:
    first = 1_000 + how * 100
    for start in (first, first + 20):
        envelopes = pipeline.out().count(b"MaskTimeout")
        os.kill(pipeline.worker(), how)
        pipeline.write(canaries.lines(range(start, start + 20)))
        part = set(range(start, start + 20))

        def done(part: set[int] = part, envelopes: int = envelopes) -> bool:
            lost = pipeline.out().count(b"MaskTimeout") - envelopes
            return len(part & canaries.arrived(pipeline.out())) + min(lost, 1) >= 20

        pipeline.daemon.wait_for(done)
    missing = set(range(first, first + 40)) - canaries.arrived(pipeline.out())
    assert len(missing) == (2 if how == signal.SIGSTOP else 0)
    assert canaries.leaked(pipeline.out()) == []


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
    with running() as made:
        made.write(canaries.lines(range(1)))
        made.wait_for(range(1))
        made.write(canaries.lines(range(1, 1000)))
        made.daemon.wait_for(lambda: len(canaries.arrived(made.out())) > 20)
        made.daemon.restart(how)
        made.write(canaries.lines(range(1000, 1020)))
        made.wait_for(range(1020))


def test_a_parser_that_fails_keeps_the_message_on_the_machine_and_aside() -> None:
    def failing(text: str) -> str:
        before = "    def parse(self, message):\n"
        assert before in text
        text = quick(text)
        return text.replace(before, before + '        assert b"n=2;" not in message["MESSAGE"]\n')

    with running(failing) as made:
        made.write(canaries.lines(range(5)))
        made.daemon.wait_for(lambda: len(canaries.arrived(made.out())) == 4)
        made.daemon.wait_for(lambda: canaries.arrived(made.quarantine()) == {2})
        path = made.folder / "lib" / "agenttrail-quarantine.log"
        assert path.stat().st_mode & 0o077 == 0
        assert canaries.leaked(made.out()) == []


def test_where_the_mask_cannot_be_built_the_daemon_does_not_start() -> None:
    with (
        pytest.raises(RuntimeError, match="syslog-ng ended"),
        running(lambda text: quick(text).replace('"profile" "fast"', '"profile" "nope"')),
    ):
        pass


def test_elasticsearch_that_goes_away_and_comes_back_gets_everything(
    elasticsearch: Server,
) -> None:
    """With the variant for Elasticsearch, on the real one, behind a door that is shut for a while."""
    door = Door(int(elasticsearch.url.rpartition(":")[2]))

    def edit(text: str) -> str:
        head, before, tail = quick(text).partition("destination d_masked")
        assert before
        tail = tail[tail.index("destination d_quarantine") :]
        other = (FOLDER / "elasticsearch.conf").read_text().replace(":9200", f":{door.port}")
        return head + "# /var/log/agenttrail\n" + other.replace("time-reopen(5)", "time-reopen(1)") + tail  # fmt: skip

    def stored() -> bytes:
        try:
            found = elasticsearch.search("logs-agenttrail.syslog_ng-default")
        except OSError:
            return b""
        return json.dumps(found).encode()

    with running(edit) as made:
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


def test_the_daemon_finds_nothing_wrong_with_the_configuration(tmp_path: Path) -> None:
    program = syslog_ng.prepare()
    path = tmp_path / "check.conf"
    path.write_text(placed(tmp_path, SHIPPED))
    done = subprocess.run(
        [program.binary, "-s", "-f", path, f"--module-path={program.modules}"],
        env={**program.env, "PYTHONPATH": str(SOURCE)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
