"""pySigma's ES|QL backend, made to find what Lucene finds in the record.

ES|QL compares a field that holds several values with none of them, and refuses a query that names a
field no document has yet, as a count by kind before its first finding. What is said about such fields
is therefore said in Lucene, within `qstr("...")`, which ES|QL has for this: it looks at each value and
finds nothing where the field is unknown. All else is plain ES|QL.

Source: Elasticsearch 8.19 reference, ES|QL multivalued fields, Search functions (QSTR).

Limits: `qstr` must stand in a `where` before any command that makes rows anew (`stats`, `limit`).
"""

from __future__ import annotations

import json
from typing import Any

from sigma.backends.elasticsearch.elasticsearch_esql import ESQLBackend
from sigma.backends.elasticsearch.elasticsearch_lucene import LuceneBackend

from agenttrail import fields as f

_IN_LUCENE = frozenset({"keywords", "counts", "object", "objects"})


class Backend(ESQLBackend):
    """ES|QL, with Lucene for fields of several values and of kinds that appear over time."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._lucene = LuceneBackend()

    def decide_convert_condition_as_in_expression(self, cond: Any, state: Any) -> bool:
        """No `in (...)` over a field that Lucene is asked about."""
        if any(_in_lucene(getattr(each, "field", "")) for each in cond.args):
            return False
        return bool(super().decide_convert_condition_as_in_expression(cond, state))

    def convert_condition_field_eq_val(self, cond: Any, state: Any) -> Any:
        """One comparison."""
        if not _in_lucene(cond.field):
            return super().convert_condition_field_eq_val(cond, state)
        query = self._lucene.convert_condition_field_eq_val(cond, state)
        # A string of ES|QL knows the escapes of JSON that Lucene's text can need: \" and \\.
        return f"qstr({json.dumps(query, ensure_ascii=False)})"


def _in_lucene(name: str) -> bool:
    """Whether the field, or the one that its last part is a key of, is not a plain value."""
    known = f.FIELDS.get(name) or f.FIELDS.get(name.rpartition(".")[0])
    return known is not None and known.type in _IN_LUCENE
