"""Whose agent an event is of, and what the registry does not allow."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from agenttrail import fields as f
from agenttrail.enrichers.registry import RegistryEnricher, RegistryOptions
from agenttrail.errors import ConfigError, OptionError
from agenttrail.governance import seen
from agenttrail.keys import KeyOptions
from agenttrail.seams import Event, Remembering
from tests.enrichers._made import AGENTS, event, payment

KEY = "5f" * 32


def built(path: str = AGENTS, **more: Any) -> RegistryEnricher:
    return RegistryOptions(path=path, **more).build()


@pytest.fixture(scope="module")
def enrich() -> RegistryEnricher:
    return built()


@pytest.fixture
def keyed(monkeypatch: pytest.MonkeyPatch) -> RegistryEnricher:
    monkeypatch.setenv("REGISTRY_KEY", KEY)
    return built(key=KeyOptions(id="r1", env="REGISTRY_KEY"))


def test_an_event_gets_its_agents_owner_department_purpose_and_categories(
    enrich: RegistryEnricher,
) -> None:
    """And keeps all that it had."""
    given = payment()
    fields = enrich(given).fields
    assert {name: fields[name] for name in fields if name not in given.fields} == {
        f.REGISTRY_AGENT_ID: "expense",
        f.REGISTRY_OWNER: "Head of accounting",
        f.REGISTRY_DEPARTMENT: "accounting",
        f.REGISTRY_PURPOSE: "Checks expense claims and pays them",
        f.DATA_CATEGORIES: ["finance"],
        # What the registry holds of the tool, over whatever its server says.
        f.TOOL_IDEMPOTENT: True,
        f.TOOL_DESTRUCTIVE: True,
    }
    assert {name: fields[name] for name in given.fields} == dict(given.fields)


@pytest.mark.parametrize(
    ("given", "findings"),
    [
        (payment(), None),
        (payment(tool="mcp__expenses__pay_claim"), None),
        (event(agent="nobody"), ["unregistered_agent"]),
        (event(agent="expense"), None),
        (event({f.EVENT_KIND: "pipeline_error"}), None),
        (event({f.CONTROL_ACTION: "stop"}), None),
        (payment(tool="delete_claim"), ["undeclared_tool"]),
        (payment(server="crm", tool="find_customer"), ["undeclared_server", "category_not_allowed"]),
        (event(agent="expense", server="crm", action="initialize"), ["undeclared_server"]),
        (event(agent="researcher", server="library", tool="publish"), ["undeclared_tool", "category_not_allowed"]),
        (event(agent="sales", server="crm", tool="send_offer", at="2027-03-30T23:59:59Z"), None),
        (event(agent="sales", server="crm", tool="send_offer", at="2027-03-31T00:00:00Z"), ["past_deprecation"]),
    ],
)  # fmt: skip
def test_what_the_registry_does_not_allow_is_marked(
    enrich: RegistryEnricher, given: Event, findings: list[str] | None
) -> None:
    """Each finding beside its near miss."""
    assert enrich(given).fields.get(f.REGISTRY_FINDINGS) == findings


def test_personal_data_beyond_the_agents_level_is_a_category_too(tmp_path: Path) -> None:
    """`pii` of the tool against `pii` of the agent."""
    text = Path(AGENTS).read_text().replace("    pii: personal\n    budget: accounting month", "    pii: pseudonymous\n    budget: accounting month")  # fmt: skip
    path = tmp_path / "agents.yaml"
    path.write_text(text)
    assert built(str(path))(payment()).fields[f.REGISTRY_FINDINGS] == ["category_not_allowed"]


def test_categories_that_the_event_has_already_stay(enrich: RegistryEnricher) -> None:
    """Another enricher may know more."""
    given = payment()
    given = Event({**given.fields, f.DATA_CATEGORIES: ["trip"]}, given.origins)
    assert enrich(given).fields[f.DATA_CATEGORIES] == ["finance", "trip"]


def test_what_an_event_claims_of_itself_does_not_stand(enrich: RegistryEnricher) -> None:
    """A log cannot say that it is of a registered agent, or hide a finding."""
    claims = {
        f.REGISTRY_AGENT_ID: "expense", f.REGISTRY_OWNER: "me", f.REGISTRY_FINDINGS: ["not_seen"],
        f.RESOURCE_IDS: ["00"],
    }  # fmt: skip
    fields = enrich(event(claims, agent="nobody")).fields
    assert fields[f.REGISTRY_FINDINGS] == ["unregistered_agent"]
    assert not {f.REGISTRY_AGENT_ID, f.REGISTRY_OWNER, f.RESOURCE_IDS} & set(fields)
    fields = enrich(payment()).fields
    assert f.REGISTRY_FINDINGS not in fields


def test_equal_records_have_equal_hashes_in_other_tools_and_types(keyed: RegistryEnricher) -> None:
    """That is how a conflict of two agents at one record is seen."""
    paid = keyed(payment(claim="77")).fields[f.RESOURCE_IDS]
    read = keyed(payment(tool="get_claim", claim=77)).fields[f.RESOURCE_IDS]  # type: ignore[arg-type]
    other = keyed(payment(claim="78")).fields[f.RESOURCE_IDS]
    assert paid == read != other
    assert f.FIELDS[f.RESOURCE_IDS].shape.fits(paid[0])  # type: ignore[union-attr]
    assert "77" not in paid


def test_every_record_of_a_call_has_its_hash_up_to_a_hundred(keyed: RegistryEnricher) -> None:
    """A list is as many records; what is no key is none."""

    def notes(ids: Any) -> Event:
        return event(agent="writer", server="library", tool="delete_notes", arguments={"note_ids": ids})  # fmt: skip

    assert len(keyed(notes(["a", "b", "a"])).fields[f.RESOURCE_IDS]) == 2
    assert len(keyed(notes([str(n) for n in range(1000)])).fields[f.RESOURCE_IDS]) == 100
    assert f.RESOURCE_IDS not in keyed(notes([None, {"id": 1}])).fields
    assert f.RESOURCE_IDS not in keyed(notes([])).fields


def test_without_a_key_there_are_no_resource_ids(enrich: RegistryEnricher) -> None:
    """A plain hash of a claim's number could be tried out."""
    assert f.RESOURCE_IDS not in enrich(payment()).fields


def test_a_missing_key_or_a_wrong_registry_fails_at_start(tmp_path: Path) -> None:
    """Before the first line."""
    with pytest.raises(OptionError):
        built(key=KeyOptions(id="r1", file=str(tmp_path / "none")))
    with pytest.raises(ConfigError):
        built(str(tmp_path / "none.yaml"))


def test_the_first_event_after_a_long_silence_is_marked_also_when_it_comes_again(
    tmp_path: Path,
) -> None:
    """The state survives; an event that is given again after a crash has the same answer."""
    state = str(tmp_path / "seen.db")
    one = built(state=state)
    assert isinstance(one, Remembering)

    def marks(made: RegistryEnricher, at: str, id: str) -> Any:
        return made(event(agent="expense", at=at, id=id)).fields.get(f.REGISTRY_FINDINGS)

    assert marks(one, "2026-11-20T00:00:00Z", "a1") is None
    assert marks(one, "2026-11-22T00:00:00Z", "a2") is None
    one.save()
    one.close()
    two = built(state=state)
    assert marks(two, "2026-11-24T12:00:00Z", "a3") == ["not_seen"]
    assert marks(two, "2026-11-24T12:00:01Z", "a4") is None
    assert marks(two, "2026-11-01T00:00:00Z", "a5") is None, "an old log read again"
    two.save()
    two.close()
    three = built(state=state)
    assert marks(three, "2026-11-24T12:00:00Z", "a3") == ["not_seen"]
    three.close()
    assert set(seen.from_state(state)) == {"expense"}


def test_a_folder_is_read_like_a_file(tmp_path: Path) -> None:
    """One file a department, say."""
    shutil.copy(AGENTS, tmp_path / "all.yaml")
    assert built(str(tmp_path))(payment()).fields[f.REGISTRY_AGENT_ID] == "expense"


def test_what_is_remembered_of_tools_in_logs_is_bounded(enrich: RegistryEnricher) -> None:
    """A log can name a million tools."""
    for number in range(12_000):
        enrich(payment(tool=f"tool_{number}"))
    assert len(enrich._known) <= 10_000
