"""Results of evaluations: CSV with a header, or JSON Lines, one result a line.

    task,name,score,label,explanation,evaluator,at
    55fab97a-f81e-47b7-a6a8-0c0fef223a08,correct,0.8,pass,names the right ticket,reviewer 3,2026-11-25T09:00:00Z

    {"task": "55fab97a-…", "name": "satisfaction", "score": 4, "at": "2026-11-25T09:00:00Z"}

Columns, and keys, are those of the first example; `task` and one of `score` and `label` are needed, the
others may be missing or empty (`name` is then `score`). `agenttrail sample` writes such a file with
tasks drawn for review and scores to fill in. A result joins its task by id, in reports and indicators.
OpenTelemetry's `gen_ai.evaluation.result` is read by the format `otel`.

A line that lacks what is needed, and a score that is no number, is an event with
`agenttrail.source.error`. What is in no column of ours stays under `agenttrail.source.raw`.

Limits: a CSV value may not go over a line's end. Without `at`, the time is the file's.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from agenttrail import fields as f
from agenttrail import jsontext
from agenttrail.formats import _event
from agenttrail.formats import _messages as m
from agenttrail.seams import Drop, Event, Record

_COLUMNS = frozenset({"task", "name", "score", "label", "explanation", "evaluator", "at"})
_RESULTS = frozenset({"score", "label"})


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationsOptions:
    """Results of evaluations by task: CSV with a header, or JSON Lines."""

    type: ClassVar[str] = "evaluations"

    def build(self) -> EvaluationsFormat:
        return EvaluationsFormat()


class EvaluationsFormat:
    """See the module."""

    def __init__(self) -> None:
        self._headers: dict[str, list[str]] = {}

    def __call__(self, record: Record, /) -> Iterable[Event]:
        if not record.data.strip():
            raise Drop("blank")
        try:
            text = record.data.decode().removeprefix("\ufeff")
        except UnicodeDecodeError:
            return [_unreadable(record, "not_utf8")]
        if text.lstrip().startswith("{"):
            try:
                value = jsontext.loads(text)
            except ValueError:
                return [_unreadable(record, "not_json")]
            return [_made(record, m.mapping(value))]
        try:
            cells = next(csv.reader([text.rstrip("\r")]), [])
        except csv.Error:  # a cell beyond its limit
            return [_unreadable(record, "not_csv")]
        header = self._headers.get(record.stream)
        if header is None:
            names = [cell.strip().lower() for cell in cells]
            if "task" not in names or not _RESULTS & set(names):
                return [_unreadable(record, "unknown_shape")]
            self._headers[record.stream] = names
            raise Drop("header")
        if len(cells) > len(header):
            return [_unreadable(record, "too_many_columns")]
        given = {name: cell for name, cell in zip(header, cells, strict=False) if cell.strip()}
        return [_made(record, given)]

    def end(self, stream: str, /) -> Iterable[Event]:
        self._headers.pop(stream, None)
        return ()


def _made(record: Record, row: dict[str, Any]) -> Event:
    task, label = _text(row.get("task")), _text(row.get("label"))
    score, error = _score(row.get("score"))
    moment = _event.timestamp(row.get("at"))
    if task is None:
        error = "no_task"
    elif score is None and label is None:
        error = error or "no_result"
    rest = {key: value for key, value in row.items() if key not in _COLUMNS}
    if evaluator := _text(row.get("evaluator")):
        rest["evaluator"] = evaluator
    if error == "bad_score":
        rest["score"] = row.get("score")
    fields = {
        f.TIMESTAMP: moment or record.time,
        f.SOURCE_TIME: "log" if moment else "read",
        f.EVENT_ACTION: "evaluation",
        f.TASK_ID: task,
        f.EVALUATION_NAME: _text(row.get("name")) or "score",
        f.EVALUATION_SCORE: score,
        f.EVALUATION_LABEL: label,
        f.EVALUATION_EXPLANATION: _text(row.get("explanation")),
        f.SOURCE_ERROR: error,
        f.SOURCE_RAW: {key: m.bare(value) for key, value in rest.items()} or None,
    }
    return _event.make("evaluations", fields, record, outcome="unknown")


def _score(value: Any) -> tuple[float | None, str | None]:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None, None
    try:
        number = float(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else None  # fmt: skip
    except (ValueError, OverflowError):
        number = None
    if number is None or number != number or number in (float("inf"), float("-inf")):
        return None, "bad_score"
    return number, None


def _text(value: Any) -> str | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return value.strip() or None if isinstance(value, str) else None


def _unreadable(record: Record, error: str) -> Event:
    return _event.unreadable("evaluations", record, error, timestamp=record.time, time="read")


def sniff(lines: Sequence[bytes], path: str | None) -> int:  # noqa: ARG001
    """92 where the first line is such a header, or an object with a task and a result and no more."""
    for line in lines:
        text = line.decode("utf-8", "replace").strip().removeprefix("\ufeff")
        if not text:
            continue
        if text.startswith("{"):
            try:
                keys = set(m.mapping(jsontext.loads(text)))
            except ValueError:
                return 0
            return 92 if "task" in keys and keys & _RESULTS and keys <= _COLUMNS else 0
        try:
            names = {cell.strip().lower() for cell in next(csv.reader([text]), [])}
        except csv.Error:
            return 0
        return 92 if "task" in names and names & _RESULTS and len(names & _COLUMNS) >= 2 else 0
    return 0
