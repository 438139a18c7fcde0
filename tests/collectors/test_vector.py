"""collectors/vector: events of Vector's shape come back masked through a real hop."""

from __future__ import annotations

import json
from pathlib import Path

import yaml
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from tests.collectors._program import COLLECTORS, Backend, compare, hop, lines, new_ports, post

FOLDER = COLLECTORS / "vector"


def request_of(event: object) -> ExportLogsServiceRequest:
    """As transform agenttrail_out and the OTLP encoder make it: JSON text in a body, one a request."""
    made = ExportLogsServiceRequest()
    scope = made.resource_logs.add().scope_logs.add()
    scope.scope.name = "vector"
    log = scope.log_records.add(time_unix_nano=1_764_000_000_000_000_000)
    log.body.string_value = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    return made


def test_events_come_back_masked_in_the_shape_that_they_had(tmp_path: Path) -> None:
    """Vector puts several encoded events into one request: protobuf messages may be joined."""
    backend = Backend()
    ports = new_ports(backend)
    sent = lines(FOLDER / "sample" / "in.jsonl")
    joined = ExportLogsServiceRequest.FromString(
        b"".join(request_of(event).SerializeToString() for event in sent)
    )
    try:
        with hop(tmp_path, FOLDER / "hop.yaml", ports):
            assert post(ports[4328], joined) == 200
            found = [json.loads(body.string_value) for body in backend.bodies()]
            backend.status = 503
            assert post(ports[4328], joined) in (429, 502, 503, 504)
    finally:
        backend.close()
    compare(FOLDER / "sample" / "out.jsonl", found)
    assert [sorted(e) for e in found] == [sorted(e) for e in sent]
    assert [e["timestamp"] for e in found] == [e["timestamp"] for e in sent]
    text = json.dumps(found, ensure_ascii=False)
    for planted in ("ann.lee", "สมชาย", "0143", "4111", "山田", "taro@"):
        assert planted not in text


def test_ports_of_vector_and_hop_meet() -> None:
    made = yaml.safe_load((FOLDER / "vector.yaml").read_text())
    settings = yaml.safe_load((FOLDER / "hop.yaml").read_text())
    assert made["sinks"]["agenttrail"]["protocol"]["uri"] == f"http://{settings['listen']['http']}/v1/logs"  # fmt: skip
    assert settings["forward"]["endpoint"] == f"http://{made['sources']['agenttrail_in']['http']['address']}"  # fmt: skip


def test_only_the_hop_reads_what_agents_wrote() -> None:
    made = yaml.safe_load((FOLDER / "vector.yaml").read_text())
    readers = [n for part in ("transforms", "sinks") for n, s in made[part].items() if "agents" in s["inputs"]]  # fmt: skip
    assert readers == ["agenttrail_out"]
    assert [n for n, s in made["sinks"].items() if "agenttrail_out" in s["inputs"]] == [
        "agenttrail"
    ]
