"""Sets fields to fixed values: organisation, department, data stream namespace, tags.

A field that the event already has stays as it is, unless `replace` is true.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from agenttrail import fields as f
from agenttrail.errors import OptionError
from agenttrail.seams import Event

# ECS: data_stream.namespace must be usable in an index name.
_NOT_IN_NAMESPACE = set('\\/*?"<>| ,#:-')


@dataclass(frozen=True, slots=True, kw_only=True)
class SetFieldsOptions:
    """Sets fields to fixed values: organisation, department, namespace, tags."""

    type: ClassVar[str] = "set_fields"
    fields: Annotated[
        dict[str, str], "Field names to values; a list of keywords is written with commas."
    ] = field(default_factory=dict)
    replace: Annotated[bool, "Set a field even where the event has it."] = False

    def __post_init__(self) -> None:
        if not self.fields:
            raise OptionError("fields", "sets nothing")
        for name, value in self.fields.items():
            known = f.FIELDS.get(name)
            if known is None:
                raise OptionError(
                    "fields", f"no field is called '{name}'", hint="agenttrail explain fields"
                )
            if known.type not in ("keyword", "keywords", "text"):
                raise OptionError("fields", f"{name} is a {known.type}, not text")
            if name in f.CONSTANTS or name == f.EVENT_ID:
                raise OptionError("fields", f"{name} is set by agenttrail itself")
            if name == f.DATA_STREAM_NAMESPACE and (
                not 0 < len(value) <= 100
                or _NOT_IN_NAMESPACE & set(value)
                or value != value.lower()
            ):
                raise OptionError(
                    "fields",
                    f"{name} must be 1 to 100 lower case characters without - or punctuation",
                )

    def build(self) -> SetFields:
        values: dict[str, Any] = {
            name: [part.strip() for part in value.split(",")]
            if f.FIELDS[name].type == "keywords"
            else value
            for name, value in self.fields.items()
        }
        return SetFields(values, replace=self.replace)


class SetFields:
    """See the module."""

    def __init__(self, values: Mapping[str, Any], *, replace: bool) -> None:
        self._values, self._replace = values, replace

    def __call__(self, event: Event, /) -> Event:
        # data_stream.namespace is always there, as "default"
        if self._replace:
            return Event({**event.fields, **self._values}, event.origins)
        merged = {**self._values, **event.fields}
        if f.DATA_STREAM_NAMESPACE in self._values:
            merged[f.DATA_STREAM_NAMESPACE] = self._values[f.DATA_STREAM_NAMESPACE]
        return Event(merged, event.origins)
