"""collectors/fluentd: the program driven as exec_filter drives it; Fluentd itself cannot be had here."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path

from tests.cli.test_filter import running
from tests.collectors import _canaries as canaries

FOLDER = Path(__file__).parents[2] / "collectors" / "fluentd"
SHIPPED = (FOLDER / "fluent.conf").read_text()


def options() -> list[str]:
    """The command of the shipped configuration behind the program's name."""
    (command,) = re.findall(
        r"^ *command /opt/agenttrail/bin/agenttrail filter (.*)$", SHIPPED, re.M
    )
    return command.split()


def chunk(numbers: range) -> bytes:
    """What `<format> @type json` makes of records of `<parse> @type none`."""
    return b"".join(
        json.dumps({"message": canaries.line(n).decode()}).encode() + b"\n" for n in numbers
    )


def test_the_sample_comes_back_as_the_readme_shows_it() -> None:
    with running(*options(), "--profile", "balanced") as live:
        live.say((FOLDER / "sample.in.jsonl").read_bytes().rstrip())
        expected = (FOLDER / "sample.out.jsonl").read_bytes().splitlines()
        assert [live.hear() for _ in expected] == expected
        assert live.end()[0] == 0


def test_chunks_come_back_record_by_record_in_order_and_masked() -> None:
    """A chunk is written at once; the pipe stays open between chunks."""
    with running(*options()) as live:
        for start in (0, 500):
            live.say(chunk(range(start, start + 500)).rstrip())
            answers = [live.hear() for _ in range(500)]
            assert [list(canaries.arrived(a)) for a in answers] == [
                [n] for n in range(start, start + 500)
            ]
            assert canaries.leaked(b"".join(answers)) == []
            assert all(list(json.loads(a)) == ["message"] for a in answers)
        # Fluentd ends its children with SIGTERM, what was written before is answered.
        live.say(chunk(range(2)).rstrip())
        live.process.send_signal(signal.SIGTERM)
        assert [list(canaries.arrived(live.hear())) for _ in range(2)] == [[0], [1]]
        assert live.end()[0] == 0


def test_raw_records_have_one_way_and_it_leads_through_the_filter() -> None:
    matches = dict(re.findall(r"<match (\S+)>\n  @type (\S+)", SHIPPED))
    assert matches == {"agents.raw": "exec_filter", "agents.masked": "file"}
    for setting in (
        "child_respawn inf", "num_children 1", "overflow_action block", "retry_forever true",
        "tag agents.masked", "pos_file ",
    ):  # fmt: skip
        assert re.search(rf"^ *{setting}", SHIPPED, re.M), setting
