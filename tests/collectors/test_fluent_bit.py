"""collectors/fluent_bit: its two files say the same, and its bytes come back masked through a real hop."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from agenttrail.doctor._finding import ConfigFile
from agenttrail.doctor._fluent_text import sections
from tests.collectors._program import COLLECTORS, Backend, compare, hop, lines, new_ports, post

FOLDER = COLLECTORS / "fluent_bit"


def value_of(value: Any) -> AnyValue:
    """As Fluent Bit's msgpack_object_to_otlp_any_value makes it: maps and lists keep their shape."""
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, dict):
        made = AnyValue()
        made.kvlist_value.SetInParent()
        made.kvlist_value.values.extend(
            KeyValue(key=k, value=value_of(v)) for k, v in value.items()
        )
        return made
    if isinstance(value, list):
        made = AnyValue()
        made.array_value.SetInParent()
        made.array_value.values.extend(value_of(v) for v in value)
        return made
    return AnyValue(string_value=str(value))


def record_of(value: AnyValue) -> Any:
    """As its input makes a record of it: a body map is the record."""
    kind = value.WhichOneof("value")
    if kind == "kvlist_value":
        return {kv.key: record_of(kv.value) for kv in value.kvlist_value.values}
    if kind == "array_value":
        return [record_of(v) for v in value.array_value.values]
    return getattr(value, kind) if kind else None


def request_of(records: list[Any]) -> ExportLogsServiceRequest:
    made = ExportLogsServiceRequest()
    scope = made.resource_logs.add().scope_logs.add()
    for number, record in enumerate(records):
        log = scope.log_records.add(time_unix_nano=1_764_000_000_000_000_000 + number)
        log.body.CopyFrom(value_of(record))
    return made


@pytest.mark.parametrize("zipped", [False, True])
def test_records_come_back_masked_in_the_shape_that_they_had(tmp_path: Path, zipped: bool) -> None:
    backend = Backend()
    ports = new_ports(backend)
    sent = lines(FOLDER / "sample" / "in.jsonl")
    try:
        with hop(tmp_path, FOLDER / "hop.yaml", ports):
            assert post(ports[4328], request_of(sent), zipped=zipped) == 200
            found = [record_of(body) for body in backend.bodies()]
            backend.status = 503
            # Fluent Bit comes again after 429, 502, 503, 504; anything else it throws away.
            assert post(ports[4328], request_of(sent)) in (429, 502, 503, 504)
    finally:
        backend.close()
    compare(FOLDER / "sample" / "out.jsonl", found)
    assert [sorted(r) for r in found] == [sorted(r) for r in sent]
    text = json.dumps(found, ensure_ascii=False)
    for planted in ("ann.lee", "สมชาย", "0143", "4111", "山田", "taro@"):
        assert planted not in text


def test_both_languages_say_the_same() -> None:
    made = []
    for name in ("fluent-bit.yaml", "fluent-bit.conf"):
        file = ConfigFile(name, (FOLDER / name).read_text())
        made.append([(s.kind, {k: _plain(v) for k, v in s.values.items()}) for s in sections(file)])
    assert made[0] == made[1]


def _plain(value: str) -> str:
    return value.strip("'\"")


def test_ports_of_fluent_bit_and_hop_meet() -> None:
    pipeline = yaml.safe_load((FOLDER / "fluent-bit.yaml").read_text())["pipeline"]
    settings = yaml.safe_load((FOLDER / "hop.yaml").read_text())
    (out,) = [o for o in pipeline["outputs"] if o.get("alias") == "agenttrail"]
    (back,) = [i for i in pipeline["inputs"] if i.get("alias") == "agenttrail_in"]
    assert settings["listen"]["http"] == f"{out['host']}:{out['port']}"
    assert settings["forward"]["endpoint"] == f"http://{back['listen']}:{back['port']}"
