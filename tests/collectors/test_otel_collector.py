"""collectors/otel_collector: the shipped files on the real Collector, and every fault on the way.

In each row of the fault table: no planted value leaves unmasked, nothing that was acknowledged is
lost, and everything goes on by itself.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from agenttrail import config
from tests.cli._run import agenttrail
from tests.collectors._hop import (
    FOLDER,
    LISTENING,
    PORTS,
    SECRET,
    Hop,
    Pipeline,
    as_json,
    limit_memory,
    log_request,
    shipped,
    wait_for,
    with_ports,
)
from tests.engines import otelcol
from tests.engines._process import free_ports
from tests.engines.fixtures import required

SAMPLE = FOLDER / "sample"


class Marks:
    """Numbered lines of one test, and which of them are at the destination."""

    numbers = itertools.count()

    def __init__(self, to: Pipeline) -> None:
        self.to, self.sent = to, set()

    def line(self) -> str:
        mark = f"mark-{next(self.numbers):06d}-"
        self.sent.add(mark)
        return f"{mark} mail {SECRET} from 203.0.113.9"

    def send(self, count: int = 5) -> None:
        """By both ways in: the log file and OTLP, which acknowledges."""
        self.to.write(*(self.line().encode() for _ in range(count)))
        self.to.post("logs", log_request(*(self.line() for _ in range(count))))

    def held_back(self, wait_s: float) -> None:
        """What is sent now, while there is no mask, has not left after so long."""
        before = set(self.sent)
        self.send()
        time.sleep(wait_s)
        out = self.to.arrived().decode()
        assert not [mark for mark in self.sent - before if mark in out]

    def missing(self) -> set[str]:
        out = self.to.destination().decode()
        return {mark for mark in self.sent if mark not in out}

    def all_arrive_masked(self) -> None:
        wait_for(lambda: not self.missing())
        assert self.to.leaked(SECRET, "203.0.113.9") == []
        assert b"<EMAIL_ADDRESS>" in self.to.destination()


# --- the fault table -------------------------------------------------------------------------------


def killed(running: Pipeline, marks: Marks) -> None:
    """Killed with requests under way; the service manager starts it again."""
    marks.send(50)
    running.hop.end(signal.SIGKILL)
    marks.held_back(1.5)
    running.hop.start()


def hanging(running: Pipeline, marks: Marks) -> None:
    """Stopped for a while, with its connections open."""
    running.hop.send(signal.SIGSTOP)
    marks.held_back(2.0)
    running.hop.send(signal.SIGCONT)


def hanging_over_an_item(running: Pipeline, marks: Marks) -> None:
    """The process that masks does not come back: it is replaced, and the items tried again."""
    (pid,) = running.hop.health()["mask_pids"]
    os.kill(pid, signal.SIGSTOP)
    marks.held_back(1.0)
    wait_for(lambda: running.hop.health()["mask_restarts"] >= 1)


def out_of_memory(running: Pipeline, marks: Marks) -> None:
    """The process that masks has no more memory than now, and gets a request that needs some."""
    if sys.platform != "linux":
        pytest.skip("no other system lowers the limits of a process that runs")
    restarts = running.hop.health()["mask_restarts"]
    (pid,) = running.hop.health()["mask_pids"]
    limit_memory(pid, 256 * 1024)
    many_words(running, marks)
    wait_for(lambda: running.hop.health()["mask_restarts"] > restarts)


def hop_out_of_memory(running: Pipeline, marks: Marks) -> None:
    """The same for the process that relays; what watches it starts it again."""
    if sys.platform != "linux":
        pytest.skip("no other system lowers the limits of a process that runs")
    assert running.hop.process is not None
    limit_memory(running.hop.process.pid, 256 * 1024)
    many_words(running, marks)

    def suffers() -> bool:
        assert running.hop.process is not None
        return running.hop.process.poll() is not None or "memory" in running.hop.said()

    wait_for(suffers)
    if running.hop.process.poll() is None:
        limit_memory(running.hop.process.pid, None)
    else:
        running.hop.start()


def many_words(running: Pipeline, marks: Marks) -> None:
    words = [" ".join(f"order {i * j} of item {i} shipped" for i in range(300)) for j in range(200)]
    running.post("logs", log_request(*(f"{marks.line()} {text}" for text in words)))
    marks.send()


def line_of_5_mb(running: Pipeline, marks: Marks) -> None:
    """One of JSON, with a planted value in every piece, and one of nothing but words."""
    filler = "and some words more to fill it " * 32
    pieces = [f"{n % 50} {SECRET} {filler}" for n in range(5_300)]
    line = as_json({"mark": marks.line(), "pieces": pieces})
    assert 5_000_000 < len(line) < 8 * 1024**2
    running.write(line, (marks.line() + " word" * 1_050_000).encode())
    # The words alone are too much for one text: what of the line can be told is not.
    mark = max(marks.sent)
    marks.sent.remove(mark)
    wait_for(lambda: "<TEXT_TOO_LONG>" in running.destination().decode())
    wait_for(lambda: not marks.missing())
    (body,) = [b for b in running.bodies() if b.startswith('{"mark"')]
    parsed = json.loads(body)
    assert len(parsed["pieces"]) == 5_300
    assert parsed["pieces"][0] == f"0 <EMAIL_ADDRESS> {filler}"
    assert set(parsed["pieces"][-10:]) == {"<TEXT_TOO_LONG>"}


def invalid_utf8(running: Pipeline, marks: Marks) -> None:
    """In a log file, and in a request, as a Go program sends it."""
    running.write(b"\xff\xfe " + marks.line().encode() + b" \xc3\x28")
    request = ExportLogsServiceRequest()
    records = request.resource_logs.add().scope_logs.add().log_records
    records.add().body.string_value = "XXXX " + marks.line()
    records.add().body.string_value = marks.line()
    records[0].attributes.add(key="kXXXX").value.string_value = "vXXXX " + SECRET
    data = request.SerializeToString().replace(b"XXXX", b"\xff\xfe\xf0\x28")
    with grpc.insecure_channel(running.front.address("grpc")) as channel:
        export = channel.unary_unary("/opentelemetry.proto.collector.logs.v1.LogsService/Export")
        assert export(data, timeout=30) is not None
    wait_for(lambda: "���( mark-" in running.destination().decode())


def destination_away(running: Pipeline, marks: Marks) -> None:
    """Killed, away for some seconds, back at the same address."""
    running.back.process.stop(signal.SIGKILL)
    marks.send()
    time.sleep(3.0)
    marks.send()
    running.back.process.start()


def restarted_under_way(running: Pipeline, marks: Marks) -> None:
    """An orderly end and a start while lines keep coming."""
    over = threading.Event()

    def keep_sending() -> None:
        while not over.is_set():
            marks.send(3)
            time.sleep(0.1)

    sender = threading.Thread(target=keep_sending)
    sender.start()
    try:
        time.sleep(1.0)
        running.hop.end(signal.SIGTERM)
        assert running.hop.process is not None
        assert running.hop.process.returncode == 0
        time.sleep(0.5)
        running.hop.start()
        time.sleep(0.5)
    finally:
        over.set()
        sender.join()
    assert len(marks.sent) > 60


FAULTS: dict[str, Callable[[Pipeline, Marks], None]] = {
    "hop killed": killed,
    "hop hanging": hanging,
    "mask hanging over an item": hanging_over_an_item,
    "mask out of memory": out_of_memory,
    "hop out of memory": hop_out_of_memory,
    "a line of 5 MB": line_of_5_mb,
    "invalid UTF-8": invalid_utf8,
    "destination away": destination_away,
    "hop restarted under way": restarted_under_way,
}


@pytest.mark.engine
@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_leaves_unmasked_nothing_is_lost_and_it_goes_on_by_itself(
    running: Pipeline, fault: str
) -> None:
    marks = Marks(running)
    marks.send()
    FAULTS[fault](running, marks)
    marks.send()
    marks.all_arrive_masked()


# --- the shipped files -----------------------------------------------------------------------------


@pytest.mark.engine
def test_the_shipped_files_turn_the_sample_into_what_is_shipped(
    elasticsearch: Any, tmp_path: Path
) -> None:
    """Filelog in, Elasticsearch and a file out; only ports, folders and the address are ours."""
    with required():
        otelcol.prepare()
    hop_ports = dict(zip(("hop_grpc", "hop_http", "health"), free_ports(3), strict=True))
    elasticsearch.request(
        "PUT", "/_index_template/otel-logs",
        {"index_patterns": ["logs-*.otel-*"], "data_stream": {}, "priority": 500},
    )  # fmt: skip

    def settings(ports: Any, folder: Path) -> dict[str, Any]:
        made = shipped({**ports, **hop_ports}, folder)
        made["exporters"]["elasticsearch"]["endpoint"] = elasticsearch.url
        return made

    with otelcol.start(settings, LISTENING) as collector:
        hop = Hop(collector.folder, {**collector.ports, **hop_ports})
        try:
            hop.start()
            (collector.folder / "agents" / "sample.jsonl").write_bytes(
                (SAMPLE / "in.jsonl").read_bytes()
            )
            count = len((SAMPLE / "in.jsonl").read_bytes().splitlines())
            collector.wait_for(lambda: len(collector.log_records("masked.jsonl")) >= count)
            found = [record["body"]["stringValue"] for record in collector.log_records("masked.jsonl")]  # fmt: skip
            if os.environ.get("AGENTTRAIL_REWRITE_GOLDEN"):
                (SAMPLE / "out.jsonl").write_text("".join(f"{line}\n" for line in found))
            assert found == (SAMPLE / "out.jsonl").read_text().splitlines()
            wait_for(lambda: hop.health()["delivered"] == count)

            def stored() -> list[str]:
                elasticsearch.request("POST", "/logs-*.otel-*/_refresh")
                answer = elasticsearch.request("GET", "/logs-*.otel-*/_search?size=100")
                return [json.dumps(hit["_source"], ensure_ascii=False) for hit in answer["hits"]["hits"]]  # fmt: skip

            wait_for(lambda: len(stored()) >= count)
            documents = "\n".join(stored())
            assert SECRET not in documents
            assert "<EMAIL_ADDRESS>" in documents
            # What the user runs: by both ways in, to both destinations, logs and traces.
            http = f"http://{collector.address('http')}"
            for way in (
                ("--otlp", http, "--elasticsearch", elasticsearch.url, "--index", "*"),
                ("--otlp", http, "--otlp-file", "masked.jsonl"),
                ("--append", "agents/sample.jsonl", "--otlp-file", "masked.jsonl"),
            ):
                done = agenttrail(collector.folder, "canary", "--json", *way)
                assert done.code == 0, (way[0], done.out, done.err)
                report = json.loads(done.out)
                assert report["ok"]
                assert report["masked"] == len(report["canaries"]) >= 25
        finally:
            hop.end()


def test_the_sample_shows_masking_and_holds_no_planted_value() -> None:
    given, made = ((SAMPLE / name).read_text() for name in ("in.jsonl", "out.jsonl"))
    assert len(given.splitlines()) == len(made.splitlines())
    for planted in (SECRET, "4111", "555-0142", "somchai", "203.0.113.7", "081-000-0000"):
        assert planted in given
        assert planted not in made
    assert given.splitlines()[-1] == made.splitlines()[-1]


def test_the_hops_file_is_valid_and_speaks_to_the_collectors() -> None:
    options = config.load_hop(str(FOLDER / "hop.yaml"))
    text = (FOLDER / "config.yaml").read_text()
    for address in (options.listen.grpc, options.forward.endpoint.removeprefix("http://")):
        assert f"endpoint: {address}" in text.replace("{ ", "").replace(",", "")
    assert options.mask.profile == "balanced"


def test_no_setting_of_the_shipped_configuration_fails_open(tmp_path: Path) -> None:
    """Every pipeline that takes agents' data leads to the hop alone, by a queue that cannot drop."""
    made = shipped(PORTS, tmp_path)
    for name, each in made["service"]["pipelines"].items():
        takes_agents = any(receiver.endswith("/agents") for receiver in each["receivers"])
        assert each["exporters"] == ["otlp/agenttrail"] if takes_agents else "masked" in name
        assert "processors" not in each
    out = made["exporters"]["otlp/agenttrail"]
    queue, retry = out["sending_queue"], out["retry_on_failure"]
    assert (queue["storage"], queue["block_on_overflow"]) == ("file_storage", True)
    assert (retry["enabled"], retry["max_elapsed_time"]) == (True, "0s")
    options = config.load_hop(str(FOLDER / "hop.yaml"))
    assert 8 * 1024**2 < queue["batch"]["max_size"] < options.listen.max_request_bytes
    assert made["exporters"]["elasticsearch"]["sending_queue"] == {"enabled": False}


def test_doctor_finds_nothing_in_the_shipped_configuration(tmp_path: Path) -> None:
    done = agenttrail(tmp_path, "doctor", str(FOLDER / "config.yaml"))
    assert done.code == 0, done.out


def test_the_readme_is_short_and_its_ports_are_the_files() -> None:
    readme = (FOLDER / "README.md").read_text()
    assert len(readme.splitlines()) <= 60
    for port in (PORTS["health"], PORTS["http"]):
        assert f":{port}" in readme
    assert with_ports("127.0.0.1:4317", dict.fromkeys(PORTS, 1)) == "127.0.0.1:1"
