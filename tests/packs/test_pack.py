"""The pack holds all its laws, and each law can be broken; what is generated is what a build gives."""

import json
import shutil
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from agenttrail import fields as f
from agenttrail import jsontext
from agenttrail.cli import parser
from agenttrail.cli.pack import metrics
from agenttrail.cli.scan import SEVERITIES
from agenttrail.errors import ConfigError
from agenttrail.insight._scan_found import Numbers
from agenttrail.insight.scan import DETECTORS
from agenttrail.packs import chapter, exports, laws
from agenttrail.packs.anomalies import load
from agenttrail.packs.kibana_dashboards import TITLES
from agenttrail.packs.series import label_of, series
from agenttrail.sinks.metrics import MetricsOptions
from tests._events import assert_valid, masked
from tests.engines._process import free_ports
from tests.packs._pack import RUNBOOKS, pack


def test_the_pack_holds_all_its_laws() -> None:
    """Rule and page, page and command line, fields, links, ids, numbers."""
    assert laws.problems(pack(), parser()) == []
    assert len(pack().anomalies) >= 30


def test_samples_are_events_of_the_record() -> None:
    """By the JSON Schema of a line, each of them."""
    for path in sorted(RUNBOOKS.glob("anomalies/*/*.jsonl")):
        for line in path.read_bytes().splitlines():
            assert_valid(line)


def test_what_is_generated_is_what_a_build_gives() -> None:
    """Run `agenttrail pack export all` after a change; nothing is left over of what is gone."""
    fresh = exports.files(pack(), "runbooks/anomalies", *metrics())
    there = {str(p.relative_to(RUNBOOKS / "rules")): p.read_text() for p in (RUNBOOKS / "rules").rglob("*") if p.is_file()}  # fmt: skip

    assert sorted(there) == sorted(fresh)
    for name, text in fresh.items():
        assert there[name] == text, name
    for name, text in exports.dashboards(pack(), "runbooks/anomalies").items():
        assert (RUNBOOKS.parent / "dashboards" / name).read_text() == text, name
    readme = (RUNBOOKS / "README.md").read_text()
    assert chapter.with_index(pack(), readme) == readme


def test_every_dashboard_shows_some_anomaly() -> None:
    """The other direction of the law that each rule names its dashboards."""
    shown = {name for a in pack().anomalies for name in a.rule.dashboards}
    assert shown == set(TITLES)


def test_scan_and_the_rules_agree() -> None:
    """The same anomalies, severities and numbers on both sides."""
    rules = {a.rule.slug: a.rule.severity for a in pack().anomalies if a.rule.scan}
    numbers = {n.removeprefix("scan_"): t.value for n, t in pack().thresholds.items() if n.startswith("scan_")}  # fmt: skip

    assert set(rules) == set(DETECTORS)
    assert rules == SEVERITIES
    assert numbers == {name: getattr(Numbers(), name) for name in Numbers.__dataclass_fields__}


def test_series_are_named_as_the_exporter_names_them() -> None:
    """Every series that is made of a sample stands in the real sink's answer, with its labels and value."""
    measure, kinds = metrics()
    by_slug = {a.rule.slug: a for a in pack().anomalies}
    slugs = ("task-cost-spiking", "server-slow", "budget-burning", "mask-failing", "approval-missing", "cache-collapsed", "escalations-surging", "reviewers-overloaded", "tool-errors-surging")  # fmt: skip
    events = [event for slug in slugs for event in by_slug[slug].hit]
    (port,) = free_ports(1)
    sink = MetricsOptions(listen=f"127.0.0.1:{port}").build()
    failed = sum(bool(event.get(f.PII_FAILED)) for event in events)
    delivered = len(events) - failed
    sink.watch(
        lambda: {("events", "delivered", ""): delivered, ("events", "quarantined", ""): failed}
    )
    try:
        sink.write([masked(dict(event)) for event in events])
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            from prometheus_client.parser import text_string_to_metric_families

            exported = {
                (s.name, tuple(sorted((k, v) for k, v in s.labels.items() if v))): s.value
                for family in text_string_to_metric_families(answer.read().decode())
                for s in family.samples
            }
    finally:
        sink.close()
    made = series(events, measure, kinds)
    assert len(made.values) > 30
    for key, values in made.values.items():
        if key[0] == "agenttrail_lag_seconds":
            assert key in exported
        else:
            assert exported[key] == pytest.approx(values[-1]), key
    assert label_of(f.AGENT_NAME) == "gen_ai_agent_name"


def _replace(name: str, old: str, new: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        path = root / name
        text = path.read_text()
        assert old in text, name
        path.write_text(text.replace(old, new))

    return change


def _append(name: str, text: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        with (root / name).open("a") as file:
            file.write(text)

    return change


def _twice(root: Path) -> None:
    path = root / "anomalies/mask-failing/hit.jsonl"
    path.write_bytes(path.read_bytes() * 2)


def _field(root: Path) -> None:
    path = root / "anomalies/mask-failing/hit.jsonl"
    event = json.loads(path.read_bytes().splitlines()[0])
    event["agenttrail"]["nosuch"] = 1
    path.write_bytes(jsontext.dumps(event) + b"\n")


PAGE = "anomalies/mask-failing/README.md"
RULE = "anomalies/mask-failing/rule.yaml"
BROKEN = {
    "no dashboard": (_replace(RULE, "dashboards:\n- privacy\n- pipeline-health\n", ""), "dashboards: must name what shows it"),
    "a dashboard that is none": (_replace(RULE, "- privacy\n", "- privasy\n"), "dashboards: none is called 'privasy'"),
    "a correlation that lacks its window": (_append(RULE, "correlation:\n  detection: {a: {event.action: x}, condition: a}\n  type: event_count\n  gte: 3\n"), "correlation: needs detection, group-by, gte, timespan, type"),
    "a correlation by a field that is none": (_append(RULE, "correlation:\n  detection: {a: {event.action: x}, condition: a}\n  type: event_count\n  group-by: [agent.id]\n  timespan: 5m\n  gte: 3\n"), "correlation: no field is called 'agent.id'"),
    "a task that nothing finds": (_replace(PAGE, "## Mitigation\n", "## Mitigation\n\nTASK\n"), "speaks of TASK, and Diagnosis finds none"),
    "a page is missing": (lambda root: (root / PAGE).unlink(), "README.md: is missing"),
    "a sample file is missing": (lambda root: (root / "anomalies/mask-failing/miss.jsonl").unlink(), "miss.jsonl: is missing"),
    "a section is missing": (_replace(PAGE, "## Tuning", "## Tunes"), "sections must be"),
    "a title differs": (_replace(PAGE, "# Masking fails", "# Masks"), "the first line must be"),
    "a command does not exist": (_replace(PAGE, "agenttrail doctor", "agenttrail doktor"), "our command line does not take: agenttrail doktor"),
    "an option does not exist": (_replace(PAGE, "agenttrail check pipeline.yaml", "agenttrail check --fast pipeline.yaml"), "does not take: agenttrail check --fast"),
    "the harm is not stopped first": (_replace(PAGE, "agenttrail stop", "agenttrail start"), "must begin with `agenttrail stop"),
    "a note to self": (_replace(PAGE, "## Impact", "## Impact\n\nTO" + "DO"), "a note to self"),
    "a link leads nowhere": (_replace(PAGE, "## Impact", "## Impact\n\n[x](none.md)"), "the link none.md leads nowhere"),
    "a query asks for a field that is none": (_replace(PAGE, "agenttrail.pii.error", "agenttrail.pii.errors"), "no field is called 'agenttrail.pii.errors'"),
    "a page is too long": (_replace(PAGE, "## Impact", "## Impact\n" + "\nx" * 80), "at most 80"),
    "a rule asks for a field that is none": (_replace(RULE, "agenttrail.pii.removed", "agenttrail.pii.gone"), "no field is called 'agenttrail.pii.gone'"),
    "a severity is unknown": (_replace(RULE, "severity: critical", "severity: urgent"), "'urgent' is not one of its values"),
    "an OWASP id is unknown": (_replace(RULE, "ASI08", "ASI11"), "'ASI11' is unknown"),
    "an id is used twice": (_replace(RULE, "id: f0e66f79-f109-47db-b024-22c35383222c", "id: fce2675c-9c6a-48b6-8851-ff4a54aa95dd"), "is used 2 times"),
    "the folder has another name": (_replace(RULE, "slug: mask-failing", "slug: mask-broken"), "and the folder is 'mask-failing'"),
    "nothing finds it": (lambda root: (root / RULE).write_text("\n".join(line for line in (root / RULE).read_text().splitlines() if not line.startswith(("prometheus", "sigma", " "))) + "\n"), "nothing finds it"),
    "a number is not there": (_replace("anomalies/server-slow/rule.yaml", "slow_mads", "slowest"), "slowest"),
    "a number has no reason": (_replace("thresholds.yaml", "reason: Two batch intervals of files that are rotated by the quarter of an hour.", "reason: ''"), "thresholds.lag_s: reason and move"),
    "tuning is silent on a number": (_replace("anomalies/server-slow/README.md", "slow_least_s", "the floor"), "Tuning says nothing of slow_least_s"),
    "an event stands twice": (_twice, "stands in its samples 2 times"),
    "a sample has a field that is none": (_field, "no field is called 'agenttrail.nosuch'"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_law_is_named(tmp_path: Path, case: str) -> None:
    """With the file that it is about."""
    for name in ("mask-failing", "server-slow", "secret-exposed"):
        shutil.copytree(RUNBOOKS / "anomalies" / name, tmp_path / "anomalies" / name)
    shutil.copy(RUNBOOKS / "thresholds.yaml", tmp_path)
    change, said = BROKEN[case]
    change(tmp_path)
    try:
        problems = laws.problems(load(tmp_path), parser())
    except ConfigError as error:
        problems = list(error.problems)
    assert any(said in problem for problem in problems), problems


def test_numbers_of_ones_own_win(tmp_path: Path) -> None:
    """And a name that no rule has is told."""
    mine = tmp_path / "my.yaml"
    mine.write_text("thresholds: {slow_mads: {value: 9}}\n")
    changed = exports.files(load(RUNBOOKS, mine), "runbooks", *metrics(), ("prometheus",))
    assert "median7d_mean6h + 9 * (agent_server:" in changed["prometheus/alerts.yaml"]

    mine.write_text("thresholds: {slowmads: {value: 9}}\n")
    with pytest.raises(ConfigError, match="no rule has such a number"):
        load(RUNBOOKS, mine)
