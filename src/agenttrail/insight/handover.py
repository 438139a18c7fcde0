"""What one agent knew when it handed over, and the other never got: evidence, not a score.

Known is what tools told the giver before the hand-over, value by value. A value counts as got where it
stands in what was handed over (the call's arguments), or in what tools told the receiver itself. What is
left may matter or not: a person sees at a glance whether a deadline is among it.

Works on masked events: a value that was masked away is got where the same marker was handed over. With
pseudonyms (`agenttrail explain presidio`) one person is told from another.

Limits: what the giver learnt from people's words is not split into values. A value that was handed over
in other words counts as lost. Yes and no, and texts of more than 200 characters, are no values here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from agenttrail import fields as f
from agenttrail import jsontext
from agenttrail.insight.story import Step, Story

_LONGEST = 200
_DEEPEST = 40
# Keys that clients and frameworks put around arguments and results: MCP's content blocks and structured
# content, Anthropic's tool_use and tool_result, OpenAI's function calls, our own {"value": …}.
_WRAPPING = frozenset(
    ("arguments", "content", "input", "output", "parameters", "result", "structuredContent", "text", "value")
)  # fmt: skip
_BLOCKS = frozenset(
    ("text", "image", "audio", "resource", "resource_link", "tool_use", "tool_result", "function",
     "function_call", "function_call_output", "input_text", "output_text")
)  # fmt: skip
_FENCE = re.compile(r"```[A-Za-z]*\n(.*)\n?```", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Fact:
    """One value that the giver knew: its key, the value as text, and the number of the step that told it."""

    key: str
    value: str
    step: str


@dataclass(frozen=True, slots=True)
class Handed:
    """One hand-over: the step, whom to, and the facts that the receiver never got, by step and key."""

    step: str
    to: str
    known: tuple[Fact, ...]
    lost: tuple[Fact, ...]


def handovers(story: Story) -> list[Handed]:
    """The hand-overs of a task, in order."""
    made = [
        (step.at_ms, _handed(step, siblings))
        for siblings in _levels(story.steps)
        for step in siblings
        if step.kind == "hand-over"
    ]
    return [handed for _, handed in sorted(made, key=lambda pair: pair[0])]


def _levels(steps: list[Step]) -> Iterator[list[Step]]:
    """The steps of each agent: those of one level, and each level below."""
    yield steps
    for step in steps:
        if step.children:
            yield from _levels(step.children)


def _handed(step: Step, siblings: list[Step]) -> Handed:
    known: dict[tuple[str, str], Fact] = {}
    for other in siblings:
        if other.kind == "call" and other.end_ms <= step.at_ms:
            for key, value in leaves(other.event.get(f.TOOL_RESULT)):
                if 0 < len(value) <= _LONGEST:
                    known.setdefault((key, value), Fact(key, value, other.number))
    given = [value for _, value in leaves(step.event.get(f.TOOL_ARGUMENTS))]
    for below in step.children:
        given += [value for _, value in leaves(below.event.get(f.TOOL_RESULT))]
    exact, text = set(given), "\n".join(given)
    lost = [
        fact
        for (_, value), fact in known.items()
        if value not in exact and not _stands(value, text)
    ]
    return Handed(step.number, step.title.removeprefix("to "), tuple(known.values()), tuple(lost))


def _stands(value: str, text: str) -> bool:
    """Whether a text holds a value as a word of its own, not 12 within 2012."""
    return re.search(rf"(?<!\w){re.escape(value)}(?!\w)", text) is not None


def leaves(value: Any, key: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """Values with the key that they stand under; JSON in strings is read, also where it is fenced or quoted.

    What only wraps (a content block's text, `input`, `arguments`, `value`) gives its key away to the one
    around it, and the type of a content block is no value.
    """
    if depth > _DEEPEST:
        return
    if isinstance(value, dict):
        for name, item in value.items():
            if name == "type" and isinstance(item, str) and item in _BLOCKS:
                continue
            inner = key if key and name in _WRAPPING else str(name)
            yield from leaves(item, inner, depth + 1)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from leaves(item, key, depth + 1)
    elif isinstance(value, str):
        stripped = value.strip()
        fenced = _FENCE.fullmatch(stripped)
        if fenced is not None:
            stripped = fenced[1].strip()
        if stripped[:1] in ("{", "[") or stripped[:3] in ('"{\\', '"[\\', '"[{'):
            try:
                parsed = jsontext.loads(stripped)
            except ValueError:
                parsed = None
            if isinstance(parsed, (dict, list, str)):
                yield from leaves(parsed, key, depth + 1)
                return
        yield key, stripped
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield key, str(value)
