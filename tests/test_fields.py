"""The registry: every row complete, no path in another's way, schema and documents agree."""

import hashlib
import re
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agenttrail import fields as f
from agenttrail import shapes
from tests._events import SAMPLES, full

DATA = Path(__file__).parents[2] / "shared" / "data" / "agents"


@pytest.mark.parametrize("field", list(f.FIELDS.values()), ids=lambda field: field.name)
def test_a_row_is_complete(field: f.Field) -> None:
    """Meaning and source are said; numbers of things that have units name them."""
    assert field.meaning.endswith(".")
    assert field.source.split()[0] in ("ECS", "OTel", "MCP", "agenttrail")
    if field.privacy == "personal":
        assert field.kind
    if field.privacy == "structural" and field.type in ("keyword", "keywords", "date"):
        assert field.shape is not None
    if field.envelope:
        assert field.privacy == "structural"


def test_no_field_is_in_the_way_of_another() -> None:
    """`a.b` cannot be a value and an object at once: Elasticsearch would refuse one of the two."""
    names = set(f.FIELDS)
    clashes = {(a, b) for a in names for b in names if b.startswith(a + ".")}
    assert clashes == set()


def test_names_of_the_standards_are_not_invented() -> None:
    """Nothing of our own stands under gen_ai, mcp or ECS roots."""
    for field in f.FIELDS.values():
        own = field.name.startswith("agenttrail.")
        assert own == (field.source.startswith(("agenttrail", "MCP "))), field.name


def test_the_schema_is_valid_and_takes_a_full_event() -> None:
    """And refuses a key that the registry does not know, at any level."""
    schema = f.json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    document = f.to_document(full().fields)
    validator.validate(document)
    document["gen_ai"]["invented"] = 1
    assert not validator.is_valid(document)
    assert not validator.is_valid({})


@given(st.sets(st.sampled_from(sorted(f.FIELDS))))
def test_a_document_reads_back_as_the_fields_it_was_made_of(names: set[str]) -> None:
    """Nesting and flattening are inverse."""
    fields = {name: SAMPLES[f.FIELDS[name].type] for name in names}
    assert f.from_document(f.to_document(fields)) == (fields, {})


def test_what_the_registry_does_not_know_is_kept_apart() -> None:
    """With its path, and without touching what is known."""
    known, unknown = f.from_document(
        {"event": {"id": "x", "odd": 1}, "zzz": {"a": {"b": 2}}, "gen_ai": "text"}
    )
    assert known == {"event.id": "x"}
    assert unknown == {"event.odd": 1, "zzz": {"a": {"b": 2}}, "gen_ai": "text"}


@pytest.mark.parametrize(
    "value",
    ["4111111111111111", "123-45-6789", "somchai.j@example.com", "+66 2 123 4567",
     "1-1017-00207-36-6", "John Smith", "0812345678", "1101700207366", "john_smith",
     "GB33BUKB20201555555555", "192.168.0.1", "田中太郎", "สมชาย", "call_a4111111111111111",
     "msg_4111-1111-1111-1111-z", "task_0812345678_jane", "task_081-234-5678", "agent_jane_roe",
     "agent_JaneRoe", "task_jane1980", "a0812345678", "a4111111111111111", "4111111111111111f",
     "41111111-1111-1111-1111-111111111111", "04111111111111111ABCDEFGHJ",
     "rs_4111111111111111444444444444444a"],
)  # fmt: skip
def test_a_machine_made_id_never_looks_like_personal_data(value: str) -> None:
    """What fits this shape is not even searched, so nothing personal may fit."""
    assert not shapes.MADE_ID.fits(value)
    assert not shapes.HEX.fits(value)


@pytest.mark.parametrize(
    "value", ["margaret.thatcher", "jane.roe/Thatcher", "jane/roe", "Thatcher", "janeRoe/get"]
)
def test_a_name_is_no_method_and_no_action(value: str) -> None:
    """Methods that are not of the protocol are read as words."""
    assert not shapes.METHOD.fits(value)
    assert not shapes.ACTION.fits(value)


@pytest.mark.parametrize(
    "value",
    ["initialize", "ping", "tools/call", "server/discover", "resources/templates/list",
     "logging/setLevel", "notifications/tools/list_changed", "notifications/initialized",
     "sampling/createMessage", "tasks/get", "claude/channel"],
)  # fmt: skip
def test_methods_of_the_protocol_are_left_alone(value: str) -> None:
    assert shapes.METHOD.fits(value)
    assert shapes.ACTION.fits(value)


@pytest.mark.parametrize(
    "value, is_class",
    [("ValueError", True), ("requests.exceptions.Timeout", True), ("-32602", True), ("_OTHER", True),
     ("com.example.app.BadException", True), ("margaret.thatcher", False)],
)  # fmt: skip
def test_a_class_of_errors_may_have_a_path(value: str, is_class: bool) -> None:
    """And a path that ends in no error may be a person's name."""
    assert shapes.CLASS.fits(value) == is_class


@pytest.mark.skipif(not DATA.is_dir(), reason="needs the recorded logs beside the project")
def test_ids_in_recorded_logs_are_left_alone() -> None:
    """All but the few that hold no digit: those are searched, and nothing is found in them."""
    made = re.compile(r'"((?:toolu|srvtoolu|call|msg|req)_[A-Za-z0-9]{16,80})"')
    ids = {i for path in sorted(DATA.rglob("*.jsonl"))[:200] for i in made.findall(path.read_text("utf-8", "replace"))}  # fmt: skip
    strange = {i for i in ids if not shapes.MADE_ID.fits(i) and any(map(str.isdecimal, i))}
    assert len(ids) > 100
    assert strange == set()


def test_digests_are_left_alone() -> None:
    """Hex of 16 bytes always, of 8 nearly always."""
    digests = [hashlib.blake2b(b"%d" % n, digest_size=16).hexdigest() for n in range(5000)]
    assert sum(not shapes.MADE_ID.fits(digest) for digest in digests) < 5
    assert sum(not shapes.MADE_ID.fits(digest[:16]) for digest in digests) < 100


@pytest.mark.parametrize(
    "value",
    ["5", "019c8a4c-ed82-79a1-aa28-7738fc5ab61a", "0af7651916cd43dd8448eb211c80319c",
     "toolu_01A09q90qw90lq917835lq9", "call_JQ3p6kQXaHkqPsFdRTWdPkfN", "00f067aa0ba902b7",
     "01JD3ZC4V5N6S8T9Q0W1E2R3Y4", "msg_014rXPi2hPCbGCmyU9JCaUmi"],
)  # fmt: skip
def test_ids_that_machines_make_are_left_alone(value: str) -> None:
    """UUIDs, hex digests, ULIDs, and the prefixed ids of the known providers."""
    assert shapes.MADE_ID.fits(value)
