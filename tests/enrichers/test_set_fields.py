"""Fixed values: added, never over what the event says, and never of a wrong kind."""

import pytest

from agenttrail import fields as f
from agenttrail.enrichers.set_fields import SetFieldsOptions
from agenttrail.errors import OptionError
from agenttrail.seams import Event
from agenttrail.testing import records


def event(**more: object) -> Event:
    return Event(
        {f.DATA_STREAM_NAMESPACE: "default", f.ORGANIZATION_NAME: "Own"}, tuple(records(b"x"))
    )


def test_what_is_missing_is_set_and_what_is_there_stays() -> None:
    """Lists are written with commas; the namespace is always ours to set."""
    enrich = SetFieldsOptions(
        fields={
            f.ORGANIZATION_NAME: "Other", f.TAGS: "a, b", f.DATA_STREAM_NAMESPACE: "prod",
            f.USER_DEPARTMENT: "Sales",
        }
    ).build()  # fmt: skip
    assert dict(enrich(event()).fields) == {
        f.ORGANIZATION_NAME: "Own", f.TAGS: ["a", "b"], f.DATA_STREAM_NAMESPACE: "prod",
        f.USER_DEPARTMENT: "Sales",
    }  # fmt: skip


def test_replace_wins_over_the_event() -> None:
    """Where the operator knows better."""
    enrich = SetFieldsOptions(fields={f.ORGANIZATION_NAME: "Other"}, replace=True).build()
    assert enrich(event()).fields[f.ORGANIZATION_NAME] == "Other"


@pytest.mark.parametrize(
    "fields",
    [{}, {"no.such": "x"}, {f.INPUT_TOKENS: "5"}, {f.EVENT_ID: "x"}, {f.EVENT_DATASET: "x"},
     {f.DATA_STREAM_NAMESPACE: "with-dash"}, {f.DATA_STREAM_NAMESPACE: ""},
     {f.DATA_STREAM_NAMESPACE: "Upper"}, {f.DATA_STREAM_NAMESPACE: "x" * 101}],
)  # fmt: skip
def test_a_field_that_cannot_be_set_is_refused(fields: dict[str, str]) -> None:
    """At start, by its name."""
    with pytest.raises(OptionError) as caught:
        SetFieldsOptions(fields=fields)
    assert caught.value.option == "fields"
