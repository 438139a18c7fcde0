"""doctor over configurations with planted faults, one sample a collector and shape, and sound ones.

A fault stands in the sample itself: `# FAULT: rule` on its line, or on a line of its own before it.
"""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest

from agenttrail.doctor._files import KINDS, rules
from agenttrail.doctor._finding import Asked, ConfigFile
from tests.doctor._samples import FOLDER, OPEN, SOUND, kind_of, load, planted


def found(path: Path, text: str | None = None) -> list[tuple[int, str]]:
    file = load(path) if text is None else ConfigFile(str(path), text)
    findings = KINDS[kind_of(path)].examine([file], Asked())
    return sorted((f.place.line, f.rule.id) for f in findings)


@pytest.mark.parametrize("path", OPEN, ids=lambda p: p.name)
def test_every_planted_fault_is_found_on_its_line_and_nothing_else(path: Path) -> None:
    assert found(path) == planted(path)


@pytest.mark.parametrize("path", SOUND, ids=lambda p: p.name)
def test_nothing_is_found_in_a_sound_configuration(path: Path) -> None:
    assert found(path) == []


@pytest.mark.parametrize("path", [*OPEN, *SOUND], ids=lambda p: p.name)
def test_the_kind_is_told_by_the_text(path: Path) -> None:
    kinds = [kind for kind, module in KINDS.items() if module.sniff(load(path))]
    assert kinds[0] == kind_of(path)


@pytest.mark.parametrize("path", [p for p in OPEN if "-open" in p.name], ids=lambda p: p.name)
def test_after_the_fix_nothing_is_found_and_comments_and_order_stay(path: Path) -> None:
    """Lines go only where a fault is, and every comment beside no fault is still there."""
    file = load(path)
    texts, _ = KINDS[kind_of(path)].mend([file], Asked())
    new = texts[file.path]
    assert found(path, new) == []
    old_lines, new_lines = file.text.splitlines(), new.splitlines()
    changes = [line for line in difflib.ndiff(old_lines, new_lines) if line.startswith("- ")]
    faulty = {number for number, _ in planted(path)}
    kept = {line for line in new_lines if "#" in line}
    for number, line in enumerate(old_lines, 1):
        if "#" in line and "FAULT" not in line and number not in faulty:
            assert any(line.split("#", 1)[1] in other for other in kept), line
    assert len(changes) <= len(faulty) + 6, changes
    again, _ = KINDS[kind_of(path)].mend([ConfigFile(file.path, new)], Asked())
    assert again[file.path] == new, "a second fix changes nothing"


@pytest.mark.parametrize("path", SOUND, ids=lambda p: p.name)
def test_a_sound_configuration_is_not_changed(path: Path) -> None:
    file = load(path)
    texts, left = KINDS[kind_of(path)].mend([file], Asked())
    assert texts[file.path] == file.text
    assert left == []


@pytest.mark.parametrize("path", [p for p in OPEN if "-hard" in p.name], ids=lambda p: p.name)
def test_what_no_machine_can_mend_stays_found(path: Path) -> None:
    """A fix that only half works is not passed off as one: the bypass is still told."""
    file = load(path)
    texts, _ = KINDS[kind_of(path)].mend([file], Asked())
    left = {rule for _, rule in found(path, texts[file.path])}
    hard = {rule.id for rule in rules() if rule.id.endswith(("-clear", "-loop", "-bypass"))}
    assert left & hard == {rule for _, rule in planted(path)} & hard


def test_every_rule_has_a_sample_and_names_its_source_with_a_version() -> None:
    covered = {rule for path in OPEN for _, rule in planted(path)}
    for rule in rules():
        assert rule.id in covered, f"plant {rule.id} in a sample of tests/doctor/samples"
        assert any(character.isdigit() for character in rule.source), rule.id
        assert rule.why
        assert rule.fix


@pytest.mark.parametrize("path", OPEN, ids=lambda p: p.name)
def test_only_named_sources_count_where_some_are_named(path: Path) -> None:
    """Nothing is agents' logs: no path is a bypass."""
    findings = KINDS[kind_of(path)].examine([load(path)], Asked(sources=("no-such-source",)))
    assert not [f for f in findings if f.rule.id.endswith("-bypass")]


def test_pipelines_of_logstash_are_joined_by_their_address() -> None:
    """A bypass through another file's pipeline is found at the output that sends it away."""
    first = load(FOLDER / "logstash-p2p-hard.conf")
    second = ConfigFile("out.conf", 'input { pipeline { address => "out" } }\noutput {\n  tcp { port => 1 }\n}\n')  # fmt: skip
    findings = KINDS["logstash"].examine([first, second], Asked())
    assert [(f.place, f.rule.id) for f in findings] == [(("out.conf", 3), "logstash-bypass")]


def test_files_of_one_collector_are_one_configuration() -> None:
    """A Vector sink in one file reads a source of the other one; rsyslog's workDirectory likewise."""
    one = ConfigFile("a.yaml", "sources:\n  a: {type: file, include: [/x], max_line_bytes: 16777216}\nacknowledgements: {enabled: true}\n")  # fmt: skip
    two = ConfigFile("b.yaml", "sinks:\n  s:\n    type: http\n    inputs: [a]\n    uri: https://x.example.com\n")  # fmt: skip
    findings = KINDS["vector"].examine([one, two], Asked())
    assert [(f.place, f.rule.id) for f in findings] == [(("b.yaml", 4), "vector-bypass")]
    main = ConfigFile("rsyslog.conf", '$WorkDirectory /var/spool/rsyslog\n$IncludeConfig /etc/rsyslog.d/*.conf\n')  # fmt: skip
    part = ConfigFile("agents.conf", 'input(type="imfile" File="/x" Tag="x" persistStateInterval="5")\n')  # fmt: skip
    assert KINDS["rsyslog"].examine([main, part], Asked()) == []


def test_an_address_of_the_hop_can_be_named() -> None:
    text = (FOLDER / "otelcol-sound.yaml").read_text().replace("otlp/agenttrail:\n    endpoint", "otlp/x:\n    endpoint")  # fmt: skip
    text = text.replace("exporters: [otlp/agenttrail", "exporters: [otlp/x")
    file = ConfigFile("c.yaml", text)
    assert {f.rule.id for f in KINDS["otelcol"].examine([file], Asked())} >= {"otelcol-bypass"}
    assert KINDS["otelcol"].examine([file], Asked(hop=("127.0.0.1:4327",))) == []


def test_two_vector_routes_come_back_apart(tmp_path: Path) -> None:
    """Sinks with different inputs keep them: each reads only what its own inputs sent."""
    file = load(FOLDER / "vector-open.yaml")
    texts, left = KINDS["vector"].mend([file], Asked())
    assert left == []
    assert texts[file.path].count("agenttrail_route ==") == 3


def test_collector_pipelines_with_different_exporters_are_left_to_a_person() -> None:
    text = (FOLDER / "otelcol-open.yaml").read_text()
    text += "    logs/other:\n      receivers: [otlp]\n      exporters: [otlphttp/traces]\n"
    file = ConfigFile("c.yaml", text)
    texts, left = KINDS["otelcol"].mend([file], Asked())
    assert any("different exporters" in note for note in left)
    stay = KINDS["otelcol"].examine([ConfigFile("c.yaml", texts["c.yaml"])], Asked())
    assert {f.rule.id for f in stay} == {"otelcol-bypass"}
