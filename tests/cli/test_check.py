"""`agenttrail check`: everything that is wrong, then every part."""

import json
from pathlib import Path

import pytest

from tests.cli._run import agenttrail
from tests.engines.elasticsearch import Server


def test_a_sound_pipeline_is_said_to_be(tmp_path: Path) -> None:
    """Part by part; nothing is read and nothing written."""
    (tmp_path / "p.yaml").write_text(
        "sources: [{type: file, paths: [a.log]}]\nsinks: [{type: jsonl, path: o.jsonl}]\n"
    )
    done = agenttrail(tmp_path, "check", "p.yaml", "--json")
    assert done.code == 0
    report = json.loads(done.out)
    assert [part["part"] for part in report["parts"]] == [
        "source file", "format auto", "mask presidio", "sink jsonl",
    ]  # fmt: skip
    assert report["ok"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["p.yaml"]


def test_parts_that_cannot_be_used_are_all_named(tmp_path: Path) -> None:
    """A missing model and two unreachable sinks: one run tells of the three."""
    (tmp_path / "p.yaml").write_text(
        "sources: [stdin]\nmask: {type: presidio, spacy_model: no_such_model}\nsinks:\n"
        "- {type: elasticsearch, url: 'http://127.0.0.1:9'}\n"
        "- {type: otlp, endpoint: 'http://127.0.0.1:9'}\n- {type: jsonl, path: o}\n"
    )
    done = agenttrail(tmp_path, "check", "p.yaml", "--json")
    assert done.code == 1
    bad = {part["part"] for part in json.loads(done.out)["parts"] if not part["ok"]}
    assert bad == {"mask presidio", "sink elasticsearch", "sink otlp"}
    assert "try: " in done.err


@pytest.mark.parametrize(
    "sink",
    ["{type: elasticsearch, url: 'http://x bad'}",
     "{type: elasticsearch, url: 'http://127.0.0.1:9', api_key: 'กุญแจ'}",
     "{type: otlp, endpoint: 'http://127.0.0.1:9', headers: {'bad name': x}}"],
)  # fmt: skip
def test_what_a_library_says_to_a_wrong_option_is_no_internal_error(
    tmp_path: Path, sink: str
) -> None:
    """A problem of that sink, with a hint; never a traceback, never the key."""
    (tmp_path / "p.yaml").write_text(f"sources: [stdin]\nsinks: [{sink}]\n")
    done = agenttrail(tmp_path, "check", "p.yaml")
    assert done.code in (1, 2)
    assert "internal error" not in done.err
    assert "กุญแจ" not in done.err


def test_a_taps_pipeline_can_be_checked(tmp_path: Path) -> None:
    """Its source runs only when a client starts it."""
    (tmp_path / "p.yaml").write_text("sources: [tap]\nsinks: [{type: jsonl, path: o.jsonl}]\n")
    assert agenttrail(tmp_path, "check", "p.yaml").code == 0


def test_a_wrong_file_is_told_with_lines(tmp_path: Path) -> None:
    """Exit code 2, all problems."""
    (tmp_path / "p.yaml").write_text("sources: [fil]\nsinks: [{type: jsonl}]\n")
    done = agenttrail(tmp_path, "check", "p.yaml")
    assert done.code == 2
    assert "p.yaml:1: sources[0]: no source is called 'fil'" in done.err
    assert "p.yaml:2: sinks[0]: 'path' is missing" in done.err


@pytest.mark.engine
def test_a_server_without_the_template_is_told_how_to_get_it(
    tmp_path: Path, elasticsearch_empty: Server
) -> None:
    """And after setup the same file passes."""
    (tmp_path / "p.yaml").write_text(
        f"sources: [stdin]\nsinks: [{{type: elasticsearch, url: '{elasticsearch_empty.url}'}}]\n"
    )
    done = agenttrail(tmp_path, "check", "p.yaml")
    assert done.code == 1
    assert "try: agenttrail setup elasticsearch" in done.err
    assert agenttrail(tmp_path, "setup", "elasticsearch", "-c", "p.yaml").code == 0
    assert agenttrail(tmp_path, "check", "p.yaml").code == 0
