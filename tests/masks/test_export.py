"""Whole OTLP requests masked: nothing of a person leaves, and nothing else changes."""

from __future__ import annotations

import copy
import struct
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from agenttrail import fields as f
from agenttrail.errors import RetryLater
from agenttrail.masks._attributes import MaskedSignal, Signal, failed_signal
from agenttrail.masks._export import PresidioExportMask, pack, unpack
from agenttrail.masks.presidio import PresidioMask, PresidioOptions
from agenttrail.seams import Export

SECRET = "ann@example.com"
TRACE_ID, SPAN_ID, PARENT_ID = bytes(range(16)), bytes(range(8)), bytes(range(8, 16))


@pytest.fixture(scope="module")
def presidio() -> PresidioMask:
    return PresidioOptions(profile="fast").one()


@pytest.fixture(scope="module")
def mask(presidio: PresidioMask) -> PresidioExportMask:
    return PresidioExportMask(presidio)


def traces(text: str) -> ExportTraceServiceRequest:
    """A request with `text` wherever text may stand, and everything else filled."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add(schema_url=f"https://h/{text}")
    group.resource.attributes.add(key="owner").value.string_value = text
    group.resource.dropped_attributes_count = 1
    entity = group.resource.entity_refs.add(type=text, schema_url=text)
    entity.id_keys.append(f"k {text}")
    entity.description_keys.append(text)
    scoped = group.scope_spans.add(schema_url=text)
    scoped.scope.name, scoped.scope.version = text, text
    scoped.scope.attributes.add(key="owner").value.string_value = text
    span = scoped.spans.add(
        trace_id=TRACE_ID, span_id=SPAN_ID, parent_span_id=PARENT_ID, trace_state=f"v={text}",
        flags=257, name=f"find {text}", kind=3, start_time_unix_nano=1, end_time_unix_nano=2**63,
        dropped_attributes_count=2, dropped_events_count=3, dropped_links_count=4,
    )  # fmt: skip
    span.status.code, span.status.message = 2, f"no {text}"
    _fill(span.attributes, text)
    event = span.events.add(time_unix_nano=5, name=f"seen {text}", dropped_attributes_count=6)
    _fill(event.attributes, text)
    link = span.links.add(trace_id=TRACE_ID, span_id=PARENT_ID, trace_state=text, flags=1)
    _fill(link.attributes, text)
    return request


def logs(text: str) -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add(schema_url=text)
    group.resource.attributes.add(key="owner").value.string_value = text
    scoped = group.scope_logs.add(schema_url=text)
    scoped.scope.name = text
    record = scoped.log_records.add(
        time_unix_nano=1, observed_time_unix_nano=2, severity_number=9, severity_text=text,
        trace_id=TRACE_ID, span_id=SPAN_ID, flags=1, event_name=f"told {text}",
    )  # fmt: skip
    record.body.string_value = f"body {text}"
    _fill(record.attributes, text)
    structured = scoped.log_records.add()
    _fill(structured.body.kvlist_value.values, text)
    return request


def _fill(pairs: Any, text: str) -> None:
    pairs.add(key=f"key of {text}").value.string_value = text
    pairs.add(key="json").value.string_value = f'{{"a":["{text}"]}}'
    pairs.add(key="card").value.int_value = 4111111111111111
    pairs.add(key="n").value.int_value = 7
    pairs.add(key="d").value.double_value = 1.0
    pairs.add(key="b").value.bool_value = True
    pairs.add(key="none").value.SetInParent()
    pairs.add(key="blob").value.bytes_value = text.encode()
    listed = pairs.add(key="list").value.array_value
    listed.values.add().string_value = text
    listed.values.add().kvlist_value.values.add(key=text).value.string_value = text
    pairs.add(key="user.email").value.string_value = text


def export(message: Any) -> Export:
    kind = "logs" if isinstance(message, ExportLogsServiceRequest) else "traces"
    return Export(kind, copy.deepcopy(message), 0)


def parsed(message: Any, payload: bytes) -> Any:
    return type(message).FromString(payload)


@pytest.mark.parametrize("message", [traces(SECRET), logs(SECRET)], ids=["traces", "logs"])
def test_a_secret_leaves_from_nowhere_and_ids_times_and_shape_stay(
    mask: PresidioExportMask, message: Any
) -> None:
    masked = mask(export(message))
    assert SECRET.encode() not in masked.payload
    assert b"4111111111111111" not in masked.payload
    assert b"example" not in masked.payload
    found = parsed(message, masked.payload)
    # What it must be: the same message with a marker wherever the secret stood.
    expected = type(message)()
    expected.CopyFrom(traces("<EMAIL_ADDRESS>") if masked.kind == "traces" else logs("<EMAIL_ADDRESS>"))  # fmt: skip
    for pair in _pairs(expected):
        if pair.key == "card":
            pair.value.string_value = "<CREDIT_CARD>"
        if pair.key == "blob":
            pair.value.string_value = f"data:application/octet-stream;bytes={len(SECRET)}"
    assert str(found) == str(expected)
    assert masked.items == (1 if masked.kind == "traces" else 2)
    assert masked.failed == 0
    assert masked.counts["EMAIL_ADDRESS"] > 10
    again = mask(Export(masked.kind, parsed(message, masked.payload), 0))
    assert again.payload == masked.payload
    assert not again.counts


def _pairs(message: Any) -> Any:
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE:
            for item in value if field.is_repeated else (value,):
                if field.name in ("attributes", "values") and hasattr(item, "key"):
                    yield item
                yield from _pairs(item)


@pytest.mark.parametrize("message", [traces("word"), logs("word")], ids=["traces", "logs"])
def test_a_request_without_findings_leaves_as_it_came(
    mask: PresidioExportMask, message: Any
) -> None:
    for pair in _pairs(message):
        if pair.key in ("card", "blob", "user.email"):
            pair.value.Clear()
    assert mask(export(message)).payload == message.SerializeToString()


def test_numbers_keep_their_types_and_their_bits(mask: PresidioExportMask) -> None:
    message = logs("x")
    record = message.resource_logs[0].scope_logs[0].log_records[0]
    del record.attributes[:]
    values = [float("nan"), float("inf"), -0.0, 1e300, 2.0]
    record.attributes.add(key="mail").value.string_value = SECRET  # so that it is written anew
    for number, value in enumerate(values):
        record.attributes.add(key=f"d{number}").value.double_value = value
    for number, value in enumerate((0, -1, 2**63 - 1, -(2**63))):
        record.attributes.add(key=f"i{number}").value.int_value = value
    found = parsed(message, mask(export(message)).payload).resource_logs[0].scope_logs[0]
    pairs = {pair.key: pair.value for pair in found.log_records[0].attributes}
    for number, value in enumerate(values):
        assert struct.pack("d", pairs[f"d{number}"].double_value) == struct.pack("d", value)
    assert [pairs[f"i{n}"].int_value for n in range(4)] == [0, -1, 2**63 - 1, -(2**63)]
    assert pairs["d4"].WhichOneof("value") == "double_value"


def test_equal_keys_and_false_ids_leave_no_way_around(mask: PresidioExportMask) -> None:
    message = traces("word")
    span = message.resource_spans[0].scope_spans[0].spans[0]
    span.trace_id, span.span_id, span.parent_span_id = SECRET.encode(), b"x", SECRET.encode()
    span.links[0].trace_id = SECRET.encode()
    span.attributes.add(key="twice").value.string_value = SECRET
    span.attributes.add(key="twice").value.string_value = "last"
    nested = span.attributes.add(key="nested").value.kvlist_value.values
    nested.add(key="twice").value.string_value = SECRET
    nested.add(key="twice").value.string_value = "last"
    span.attributes.add(key="index").value.string_value_strindex = 3
    masked = mask(export(message))
    assert SECRET.encode() not in masked.payload
    found = parsed(message, masked.payload).resource_spans[0].scope_spans[0].spans[0]
    assert (found.trace_id, found.span_id, found.parent_span_id) == (b"", b"", b"")
    assert [p.value.string_value for p in found.attributes if p.key == "twice"] == ["last"]
    assert [p.value for p in found.attributes if p.key == "index"] == [AnyValue()]


def test_deep_values_are_masked_to_the_bottom(mask: PresidioExportMask) -> None:
    message = ExportLogsServiceRequest()
    value = message.resource_logs.add().scope_logs.add().log_records.add().body
    for _ in range(30):
        value = value.kvlist_value.values.add(key="down").value
    value.string_value = SECRET
    # Protobuf libraries read a hundred levels of messages, which are 31 of objects here.
    read = ExportLogsServiceRequest.FromString(message.SerializeToString())
    assert SECRET.encode() not in mask(Export("logs", read, 0)).payload


class Broken:
    """Masks, but for what holds the word `poison`."""

    def __init__(self, mask: PresidioMask, error: str) -> None:
        self.mask, self.error = mask, error

    def signals(self, signals: Sequence[Signal], /) -> list[MaskedSignal]:
        return [
            failed_signal(signal, self.error)
            if "poison" in repr(signal)
            else self.mask.signals([signal])[0]
            for signal in signals
        ]


def test_a_span_that_cannot_be_masked_goes_on_without_content_and_its_neighbour_whole(
    presidio: PresidioMask,
) -> None:
    message = traces(f"poison {SECRET}")
    good = message.resource_spans[0].scope_spans[0].spans.add(name=f"good {SECRET}", kind=1)
    bad = message.resource_spans[0].scope_spans[0].spans[0]
    bad.attributes.add(key=f.TOOL_NAME).value.string_value = "find_customer"
    good.attributes.add(key="x").value.string_value = SECRET
    masked = PresidioExportMask(Broken(presidio, "ValueError"))(export(message))
    assert SECRET.encode() not in masked.payload
    assert b"poison" not in masked.payload
    assert masked.failed == 3, "resource, scope and span"
    found = parsed(message, masked.payload).resource_spans[0].scope_spans[0].spans
    assert (found[0].trace_id, found[0].span_id, found[0].parent_span_id) == (TRACE_ID, SPAN_ID, PARENT_ID)  # fmt: skip
    assert (found[0].kind, found[0].start_time_unix_nano, found[0].end_time_unix_nano) == (3, 1, 2**63)  # fmt: skip
    assert (found[0].status.code, found[0].status.message) == (2, "")
    assert found[0].name == "<MASKING_FAILED>"
    kept = {pair.key: pair.value for pair in found[0].attributes}
    assert kept[f.PII_FAILED].bool_value is True
    assert kept[f.PII_ERROR].string_value == "ValueError"
    assert set(kept) <= {f.PII_FAILED, f.PII_ERROR, f.TOOL_NAME}
    assert [event.time_unix_nano for event in found[0].events] == [5]
    assert found[0].links[0].span_id == PARENT_ID
    assert found[1].name == "good <EMAIL_ADDRESS>"


def test_what_cannot_be_written_back_leaves_as_its_envelope(presidio: PresidioMask) -> None:
    """A mask that gives another shape than it was given is a bug, and no way out for content."""

    class Wrong(Broken):
        def signals(self, signals: Sequence[Signal], /) -> list[MaskedSignal]:
            made = self.mask.signals(signals)
            return [
                MaskedSignal(attributes={"o": object()}, names=s.names, values=s.values, parts=[])
                for s in made
            ]

    for message in (traces(SECRET), logs(SECRET)):
        masked = PresidioExportMask(Wrong(presidio, ""))(export(message))
        assert SECRET.encode() not in masked.payload
        assert masked.failed == (3 if masked.kind == "traces" else 4)


def test_want_of_memory_gives_the_request_back_instead_of_costing_content(
    presidio: PresidioMask,
) -> None:
    with pytest.raises(RetryLater, match="out of memory"):
        PresidioExportMask(Broken(presidio, "MemoryError"))(export(logs("poison")))


def test_a_masked_request_is_the_same_after_a_file_and_a_damaged_one_is_known(
    mask: PresidioExportMask,
) -> None:
    masked = mask(export(traces(SECRET)))
    data = pack(masked)
    assert unpack(data) == masked
    assert SECRET.encode() not in data
    for damaged in (b"", data[:-1], data[:40], data.replace(b"find", b"gind"), b"x" + data):
        with pytest.raises(ValueError, match="not a whole"):
            unpack(damaged)


_TEXT = st.text(max_size=12) | st.just(SECRET) | st.just(f"a {SECRET} b")


def _value(value: Any) -> AnyValue:
    made = AnyValue()
    if isinstance(value, str):
        made.string_value = value
    elif isinstance(value, list):
        made.array_value.SetInParent()
        made.array_value.values.extend(_value(item) for item in value)
    elif isinstance(value, dict):
        made.kvlist_value.SetInParent()
        for key, item in value.items():
            made.kvlist_value.values.add(key=key, value=_value(item))
    elif isinstance(value, bytes):
        made.bytes_value = value
    return made


@settings(max_examples=50, deadline=None)
@given(
    st.recursive(
        _TEXT | st.binary(max_size=20) | st.none(),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(_TEXT.filter(lambda t: "\ud800" not in t), inner, max_size=3)
        ),
        max_leaves=8,
    ),
    _TEXT,
)  # fmt: skip
def test_a_planted_secret_is_in_no_bytes_that_leave(
    mask: PresidioExportMask, value: Any, name: str
) -> None:
    message = ExportLogsServiceRequest()
    record = message.resource_logs.add().scope_logs.add().log_records.add(event_name=name)
    record.body.CopyFrom(_value(value))
    record.attributes.add(key=name, value=_value(value))
    masked = mask(export(message))
    assert SECRET.encode() not in masked.payload
    assert mask(Export("logs", parsed(message, masked.payload), 0)).payload == masked.payload
