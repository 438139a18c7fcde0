"""The Elasticsearch mappings of the record, made from `fields.py`, and how they get to a server.

How types are mapped, and why:

- Unknown names are kept in `_source` and not indexed (`dynamic: false`): a record of a newer
  agenttrail is never refused. Numbers and booleans have `ignore_malformed`, so an integer beyond 64
  bits costs its own field and not the document.
- `keyword`: the exact string, up to 1024 characters as in ECS; longer ones stay in `_source`.
- `text`: analysed words with an exact `.keyword` beside them; paths, addresses and command lines the
  other way round (exact, with words under `.text`), as ECS does. `match_only_text` and `wildcard`
  would suit too, but need modules that not every server has.
- `object`: `flattened`, one field however many keys there are, so that arguments of tools cannot
  explode the mapping. Depth up to 250 (the pipeline lets 200 through). A leaf beyond 1024 characters
  is not indexed: its term with its key would pass Lucene's limit of 32,766 bytes.
- `date`: milliseconds, years 0 to 9999. `date_nanos` ends in 2262 and starts in 1970, and
  `ignore_malformed` is forbidden on a data stream's @timestamp, so one odd clock would cost
  documents. All nine digits stay in `_source`; event.sequence and agenttrail.source.line order what
  one millisecond holds.

Source: Elasticsearch 8.19 reference, Field data types, Data streams, Index templates.

Limits: a flattened object with a key that holds a NUL, or whose path is longer than 32 kB, is refused
by Elasticsearch: that document is rejected by itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from agenttrail import __version__
from agenttrail import fields as f

TEMPLATE = f"logs-{f.DATASET}"
PATTERN = f"logs-{f.DATASET}-*"
MAPPINGS_COMPONENT = f"{TEMPLATE}@package"
CUSTOM_COMPONENT = f"{TEMPLATE}@custom"  # the operator's own, as with Elastic's integrations

# Above Elastic's built-in `logs` template (100) and beside its integrations' (200).
_PRIORITY = 200
_IGNORE_ABOVE = 1024  # ECS 9.4.0, keyword
_EXACT_IGNORE_ABOVE = 8191  # times 4 bytes in UTF-8 is below Lucene's 32,766
_DEPTH = 250
_FIELDS_LIMIT = 2000  # the registry's fields, their parents and multi-fields are under half of it

_EXACT = frozenset(
    {f.PROCESS_COMMAND_LINE, f.PROCESS_WORKING_DIRECTORY, f.URL_FULL, f.SOURCE_FILE, f.MCP_RESOURCE_URI}
)  # fmt: skip

_KEYWORD = {"type": "keyword", "ignore_above": _IGNORE_ABOVE}
_FLATTENED = {"type": "flattened", "depth_limit": _DEPTH, "ignore_above": _IGNORE_ABOVE}
_LONG = {"type": "long", "ignore_malformed": True}
_BY_TYPE: dict[f.Type, dict[str, Any]] = {
    "keyword": _KEYWORD,
    "keywords": _KEYWORD,
    "text": {"type": "text", "fields": {"keyword": _KEYWORD}},
    "date": {"type": "date"},
    "long": _LONG,
    "double": {"type": "double", "ignore_malformed": True},
    "boolean": {"type": "boolean", "ignore_malformed": True},
    "object": _FLATTENED,
    "objects": _FLATTENED,
    "counts": {"type": "object", "dynamic": True},
}


def mappings() -> dict[str, Any]:
    """The mappings of the record."""
    properties: dict[str, Any] = {}
    for field in f.FIELDS.values():
        *parents, leaf = field.name.split(".")
        place = properties
        for parent in parents:
            place = place.setdefault(parent, {"properties": {}})["properties"]
        place[leaf] = _mapping(field)
    return {
        "_meta": {"managed_by": "agenttrail", "schema": f.SCHEMA_VERSION},
        "dynamic": False,
        "dynamic_templates": [
            {field.name: {"path_match": f"{field.name}.*", "mapping": _LONG}}
            for field in f.FIELDS.values()
            if field.type == "counts"
        ],
        "properties": properties,
    }


def render(*, retention: str | None = None, ilm_policy: str | None = None) -> dict[str, Any]:
    """What is put where: path to body, in the order of putting.

    Args:
        retention: how long the data stream keeps documents ("90d"); None leaves it to the server.
        ilm_policy: name of an index lifecycle policy that the server has.

    Settings are strings, as a server gives them back.
    """
    meta = {"managed_by": "agenttrail", "version": __version__}
    limits = {"limit": str(_FIELDS_LIMIT), "ignore_dynamic_beyond_limit": "true"}
    index: dict[str, Any] = {"mapping": {"total_fields": limits}}
    if ilm_policy is not None:
        index["lifecycle"] = {"name": ilm_policy}
    template: dict[str, Any] = {
        "index_patterns": [PATTERN],
        "priority": _PRIORITY,
        "data_stream": {},
        "composed_of": [MAPPINGS_COMPONENT, CUSTOM_COMPONENT],
        "ignore_missing_component_templates": [CUSTOM_COMPONENT],
        "_meta": meta,
    }
    if retention is not None:
        template["template"] = {"lifecycle": {"data_retention": retention}}
    return {
        f"/_component_template/{MAPPINGS_COMPONENT}": {
            "template": {"settings": {"index": index}, "mappings": mappings()},
            "_meta": meta,
        },
        f"/_index_template/{TEMPLATE}": template,
    }


def holds(there: Any, wanted: Any) -> bool:
    """Whether all of `wanted` is in what a server gave back, which adds defaults of its own."""
    if isinstance(wanted, dict):
        return isinstance(there, dict) and all(
            key in there and holds(there[key], value) for key, value in wanted.items()
        )
    if isinstance(wanted, bool) and isinstance(there, str):  # `dynamic` comes back as a string
        return there == str(wanted).lower()
    return bool(there == wanted)


def _mapping(field: f.Field) -> dict[str, Any]:
    if field.name in _EXACT:
        return {
            "type": "keyword",
            "ignore_above": _EXACT_IGNORE_ABOVE,
            "fields": {"text": {"type": "text"}},
        }
    return _BY_TYPE[field.type]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One request of the setup. `state` is created, updated or unchanged (then it is not sent)."""

    method: str
    path: str
    body: Any
    state: str


# method, path, body -> status (200 or 404) and parsed answer; raises for every other status.
Request = Callable[[str, str, Any], tuple[int, Any]]


def install(request: Request, bodies: Mapping[str, Any], *, dry_run: bool) -> list[Change]:
    """Puts what `render` gave on a server, where it is not there yet; sends nothing if `dry_run`."""
    changes: list[Change] = []
    for path, body in bodies.items():
        status, answer = request("GET", path, None)
        there = _body(answer) if status == 200 else None
        state = "created" if there is None else "unchanged" if holds(there, body) else "updated"
        changes.append(Change(method="PUT", path=path, body=body, state=state))
    changes += _on_existing(request)
    if not dry_run:
        for change in changes:
            if change.state != "unchanged":
                request(change.method, change.path, change.body)
    return changes


def _on_existing(request: Request) -> list[Change]:
    """What data streams that exist still lack: a template has effect on new indexes only."""
    wanted = mappings()
    status, answer = request("GET", f"/{PATTERN}/_mapping?allow_no_indices=true", None)
    indexes = answer if status == 200 else {}
    if not indexes:
        return []
    # The newest backing index is the one written to: names end in a date and a growing number.
    newest: dict[str, str] = {}
    for name in sorted(indexes):
        newest[_stream(name)] = name
    return [
        Change(
            method="PUT",
            path=f"/{stream}/_mapping?write_index_only=true",
            body=wanted,
            state="unchanged" if holds(indexes[index]["mappings"], wanted) else "updated",
        )
        for stream, index in sorted(newest.items())
    ]


def _stream(index: str) -> str:
    """The data stream of a backing index, `.ds-<stream>-<date>-<number>`; else the index itself."""
    found = re.fullmatch(r"\.ds-(.+)-\d{4}\.\d{2}\.\d{2}-\d{6}", index)
    return found[1] if found else index


def _body(answer: Any) -> Any:
    """The template in the answer to a GET of one."""
    if "component_templates" in answer:
        return answer["component_templates"][0]["component_template"]
    return answer["index_templates"][0]["index_template"]
