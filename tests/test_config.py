"""Configuration: all problems at once, each with file:line, what is known and what was meant."""

import contextlib
import dataclasses
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from agenttrail import config
from agenttrail.errors import ConfigError

GOOD = """
sources:
  - type: file
    paths: [a.log, b/*.jsonl]
    max_line_bytes: 1_000_000
  - stdin
format: {type: jsonl, fields: {gen_ai.tool.name: tool}}
enrichers:
  - type: set_fields
    fields: {organization.name: "Example"}
sinks:
  - {type: jsonl, path: "${OUT:-out.jsonl}"}
  - {type: elasticsearch, url: "http://${HOST}:9200", timeout_s: 5}
delivery: {batch_events: 10, retry_for_s: null}
"""


def problems(text: str, **environment: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        config.loads(text, "p.yaml", environment)
    return list(caught.value.problems)


def test_a_good_file_becomes_options() -> None:
    """Short forms, environment, numbers with underscores, null."""
    options = config.loads(GOOD, environment={"HOST": "search"})
    file, stdin = options.sources
    assert file.paths == ("a.log", "b/*.jsonl")  # type: ignore[union-attr]
    assert file.max_line_bytes == 1_000_000  # type: ignore[union-attr]
    assert stdin.type == "stdin"
    assert options.sinks[0].path == "out.jsonl"  # type: ignore[union-attr]
    assert options.sinks[1].url == "http://search:9200"  # type: ignore[union-attr]
    assert options.sinks[1].timeout_s == 5.0  # type: ignore[union-attr]
    assert (options.delivery.batch_events, options.delivery.retry_for_s) == (10, None)
    assert options.mask.type == "presidio"


def test_all_problems_come_at_once_each_in_its_place() -> None:
    """A user mends a file once, not once a mistake."""
    text = (
        "sources:\n- type: fil\n  paths: a\n- {type: file, paths: a.log}\nsinks:\n"
        "- type: elasticsarch\n- {type: jsonl, path: 5, bogus: 1}\nformat: autoo\nextra: 1\n"
    )
    assert problems(text) == [
        "p.yaml:2: sources[0].type: no source is called 'fil'\n  known: file, otlp, stdin, tap\n  did you mean 'file'?",
        "p.yaml:4: sources[1].paths: a list is needed, not text\n  write: [value]",
        "p.yaml:6: sinks[0].type: no sink is called 'elasticsarch'\n  known: elasticsearch, jsonl, metrics, otlp\n  did you mean 'elasticsearch'?",
        'p.yaml:7: sinks[1].path: text is needed, not a number\n  write: "5"',
        "p.yaml:7: sinks[1].bogus: no such option\n  known: compress, keep_files, mode, path, rotate_bytes, rotate_s",
        "p.yaml:8: format: no format is called 'autoo'\n  known: agenttrail, approvals, auto, claude_code, claude_desktop, codex, evaluations, jsonl, mcp_jsonrpc, mcp_wire, otel\n  did you mean 'auto'?",
        "p.yaml:9: extra: no such option\n  known: delivery, enrichers, format, mask, sinks, sources",
    ]


SMALL = "sources: [stdin]\nsinks: [{type: jsonl, path: o}]\n"


@pytest.mark.parametrize(
    "text, expected",
    [
        ("", "p.yaml:1: the file is empty"),
        ("- a", "p.yaml:1: a mapping is needed, not a list"),
        ("sources: [", "p.yaml:1: not YAML"),
        ("a: b: c", "p.yaml:1: not YAML"),
        ("sources: [stdin]\n", "p.yaml:1: 'sinks' is missing"),
        ("sources: []\nsinks: [{type: jsonl, path: o}]", "p.yaml:1: sources: at least one source"),
        (SMALL + "sinks: []", "p.yaml:3: 'sinks' is given twice"),
        ("sources: [stdin]\nsinks: [{path: o}]", "p.yaml:2: sinks[0]: needs a type"),
        ("sources: [stdin]\nsinks: [[]]", "p.yaml:2: sinks[0]: a sink is a mapping with a type, not a list"),
        ("sources: [stdin]\nsinks: [jsonl]", "p.yaml:2: sinks[0]: 'path' is missing"),
        (SMALL + "delivery: {batch_events: many}", "p.yaml:3: delivery.batch_events: a whole number is needed, not text"),
        (SMALL + "delivery: {batch_events: 1.5}", "p.yaml:3: delivery.batch_events: a whole number is needed"),
        (SMALL + "delivery: {batch_events: 0}", "p.yaml:3: delivery.batch_events: must be at least 1"),
        (SMALL + "delivery: {flush_s: true}", "p.yaml:3: delivery.flush_s: a number is needed, not true or false"),
        (SMALL + "delivery: {dead_letter: '${NOWHERE}'}", "p.yaml:3: delivery.dead_letter: the environment has no NOWHERE"),
        ("sources: [{type: file, paths: [a], follow: true}]\nsinks: [{type: jsonl, path: o}]", "p.yaml:1: sources[0].checkpoint: following needs one"),
        ("sources: [{type: file, paths: [a], start: middle}]\nsinks: [{type: jsonl, path: o}]", "p.yaml:1: sources[0].start: 'middle' is not one of its values"),
        ("sources: [{type: file, paths: [a], checkpoint: c}, {type: file, paths: [b], checkpoint: c}]\nsinks: [{type: jsonl, path: o}]", "p.yaml:1: sources: two sources share one checkpoint"),
        ("sources: [stdin]\nsinks: [{type: jsonl, path: o}, {type: jsonl, path: ./o}]", "p.yaml:2: sinks: sinks[0] and sinks[1] write ./o"),
        ("sources: [{type: file, paths: [a.jsonl]}]\nsinks: [{type: jsonl, path: ./a.jsonl}]", "p.yaml:2: sinks: a.jsonl is what sources[0] reads"),
        ("sources: [{type: file, paths: [.]}]\nsinks: [{type: jsonl, path: never-there.jsonl}]", "p.yaml:2: sinks: never-there.jsonl is what sources[0] reads"),
        ("sources: &a [*a]\nsinks: [{type: jsonl, path: o}]", "p.yaml:1: sources[0]: an anchor that contains itself"),
        ("sources: [stdin]\nsinks: [{type: jsonl, path: -, rotate_bytes: 5}]", "p.yaml:2: sinks[0].rotate_bytes: has no effect on standard output"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_place(text: str, expected: str) -> None:
    """Near misses of a good file."""
    found = problems(text)
    assert any(problem.startswith(expected) for problem in found), found


def test_a_password_from_the_environment_is_never_shown() -> None:
    """A wrong type is reported without the value."""
    text = SMALL + "delivery: {batch_events: '${SECRET}'}"
    assert "hunter2" not in "\n".join(problems(text, SECRET="hunter2"))


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_file_that_cannot_be_read_is_a_configuration_error(
    tmp_path: Path, content: bytes | None
) -> None:
    """Missing, or no text."""
    path = tmp_path / "p.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError):
        config.load(str(path))


@given(st.text(alphabet="sources:[]{}-&*!<>|%@ \n\t\"'tyepfilanjo0123", max_size=120))
@settings(max_examples=300, deadline=None)
def test_any_text_is_options_or_a_configuration_error(text: str) -> None:
    """Never a traceback."""
    with contextlib.suppress(ConfigError):
        config.loads(text, environment={})


def test_the_schema_for_editors_takes_what_the_decoder_takes() -> None:
    """And is a valid JSON Schema itself."""
    schema = config.json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(yaml.safe_load(GOOD))
    assert not validator.is_valid(yaml.safe_load(GOOD) | {"extra": 1})


def components() -> Iterator[Any]:
    for stage, union in config.STAGES.items():
        for name, cls in config.members(union).items():
            yield pytest.param(cls, id=f"{stage}-{name}")


@pytest.mark.parametrize("cls", list(components()))
def test_every_option_says_what_it_means(cls: type[Any]) -> None:
    """One sentence for the component, one for each option, ending in a stop."""
    assert re.fullmatch(r"[A-Za-z`].*\.", (cls.__doc__ or "").split("\n")[0])
    for option in config.options_of(cls):
        assert re.match(r"[A-Za-z-].*\.$", option.meaning, re.DOTALL), option.name


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Priced:
    """Has money in it."""

    price: Annotated[Decimal, "Price."]


def test_decimals_keep_their_digits() -> None:
    """What the files about agents need beside options: money."""
    assert str(config.decode("price: 0.10\n", "p.yaml", _Priced).price) == "0.10"
    with pytest.raises(ConfigError, match=r"p\.yaml:1: price: a number is needed, not text"):
        config.decode("price: dear", "p.yaml", _Priced)
