"""What the rules catch of a simulated month, how soon, and how often they fire in a quiet one.

A month with every planted anomaly and one without any go through the real pipeline. Then:

- Prometheus: the series that the sink `metrics` would have had, put into a real Prometheus's storage by
  promtool, and every alert's expression asked over the whole month at steps of a quarter of an hour, the window of the counters' rules;
- scan: `agenttrail scan` over the masked lines;
- Sigma: each Lucene query against a real Elasticsearch with the masked lines, where one is there.

An anomaly is caught by a rule of its name that fires for its agent, its department or one of its tasks,
from its beginning to two days behind it. Firing without a gap is one alarm. What fires in the quiet month is a false alarm,
but where its truth has a budget that did pass a threshold.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import urllib.request
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from agenttrail import fields as f
from agenttrail.cli.pack import metrics
from agenttrail.insight.scan import Numbers, scan
from agenttrail.packs import prometheus as rules
from agenttrail.packs import sigma
from agenttrail.packs.anomalies import load
from agenttrail.packs.series import series
from agenttrail.simulate.month import simulate
from agenttrail.sinks._elasticsearch_template import mappings
from tests.cli._run import agenttrail
from tests.engines import _backfill
from tests.engines import elasticsearch as es

RUNBOOKS = Path(__file__).parents[1] / "runbooks"
WITHIN_S = 2 * 86_400
_STEP_S = 900


class Alarm(NamedTuple):
    """One time that a rule fired."""

    slug: str
    by: str
    whom: str  # agent, department or nobody
    at: float
    task: str = ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--tasks-per-day", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, es.start() as server:
        loud = month(Path(folder) / "loud", arguments, anomalies=True)
        quiet = month(Path(folder) / "quiet", arguments, anomalies=False)
        caught = judged(loud, alarms(Path(folder) / "loud", server))
        false, budgets = apart(alarms(Path(folder) / "quiet", server), quiet)
    show(caught, false, budgets, quiet, arguments)


def month(folder: Path, arguments: argparse.Namespace, *, anomalies: bool) -> list[dict[str, Any]]:
    """The truth of a month that was simulated into a folder and read by its own pipeline."""
    made = simulate(
        seed=arguments.seed, days=arguments.days, tasks_per_day=arguments.tasks_per_day,
        anomalies=anomalies,
    )  # fmt: skip
    for name, content in made.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    done = agenttrail(folder, "run", "-c", "pipeline.yaml", "-q")
    assert done.code == 0, done.err
    return made.truth


def alarms(folder: Path, server: es.Server) -> list[Alarm]:
    """All alarms over a month's masked lines, those of scan among the events that Sigma sees."""
    path = folder / "masked.jsonl"
    found = scan([str(path)], Numbers())
    made = [Alarm(e.slug, "scan", e.agent, _seconds(e.moment), e.task or "") for e in found]
    documents = [json.loads(line) for line in path.read_bytes().splitlines()]
    made += _prometheus([f.from_document(d)[0] for d in documents])
    made += _sigma(documents, server, f"month-{folder.name}")
    return sorted(made, key=lambda alarm: alarm.at)


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _sigma(documents: list[Any], server: es.Server, index: str) -> list[Alarm]:
    server.request("PUT", f"/{index}", {"mappings": mappings()})
    for start in range(0, len(documents), 2000):
        lines = [
            json.dumps(x)
            for d in documents[start : start + 2000]
            for x in ({"index": {"_id": d["event"]["id"]}}, d)
        ]
        request = urllib.request.Request(
            f"{server.url}/{index}/_bulk?refresh=true", ("\n".join(lines) + "\n").encode(), {"Content-Type": "application/x-ndjson"}
        )  # fmt: skip
        with urllib.request.urlopen(request, timeout=120) as answer:
            assert json.load(answer)["errors"] is False
    pack, made = load(RUNBOOKS), []
    own = {a.rule.slug for a in pack.anomalies if a.sigma is not None}
    for slug, query in sigma.queries(pack, "elasticsearch", "runbooks").items():
        if slug not in own:
            continue  # it asks for what scan found, which is counted above
        body = {"size": 10_000, "query": {"query_string": {"query": query}}}
        seen = set()
        for hit in server.request("POST", f"/{index}/_search", body)["hits"]["hits"]:
            event = f.from_document(hit["_source"])[0]
            whom = str(event.get(f.REGISTRY_AGENT_ID) or event.get(f.AGENT_NAME) or event.get(f.MCP_CLIENT_NAME) or "")  # fmt: skip
            task = str(event.get(f.TASK_ID) or event[f.EVENT_ID])
            # A task is one alarm: Kibana groups alerts by it.
            if (whom, task) not in seen:
                seen.add((whom, task))
                made.append(Alarm(slug, "Sigma", whom, _seconds(event[f.TIMESTAMP]), task))
    return made


def _prometheus(events: list[Any]) -> list[Alarm]:
    measure, kinds = metrics()
    seen = series(events, measure, kinds, step_s=_STEP_S, after=12)
    pack = load(RUNBOOKS)
    slugs = {a.alert: a.rule.slug for a in pack.anomalies if a.rule.prometheus}
    asked = rules.rules(pack, "runbooks")["groups"][0]["rules"]
    made: list[Alarm] = []
    with (
        tempfile.TemporaryDirectory() as name,
        _backfill.month(Path(name), seen, rules.recording(pack)) as server,
    ):
        for rule in asked:
            if rule["alert"] in slugs:
                for row in _backfill.over(server, seen, rule["expr"]):
                    whom = next(
                        (row["metric"][each] for each in rules.WHOM if row["metric"].get(each)), ""
                    )
                    made += [
                        Alarm(slugs[rule["alert"]], "Prometheus", whom, at)
                        for at in _beginnings(row["values"])
                    ]
    return made


def _beginnings(values: list[Any]) -> list[float]:
    """Where firing begins; a gap of less than six hours is the same alarm, as Alertmanager repeats it."""
    made, last = [], float("-inf")
    for at, _ in values:
        if float(at) - last > 6 * 3600:
            made.append(float(at))
        last = float(at)
    return made


def judged(truth: list[dict[str, Any]], fired: list[Alarm]) -> list[dict[str, Any]]:
    """Each planted anomaly, what caught it, and after how many minutes."""
    pack = load(RUNBOOKS)
    slugs = {a.rule.slug for a in pack.anomalies}
    made = []
    for row in (r for r in truth if r["kind"] == "anomaly"):
        begun = _seconds(row["at"])
        names = {row["agent"], row["detail"].get("department"), row["detail"].get("server")}
        hits = [
            a
            for a in fired
            if a.slug == row["name"]
            and (a.task in row["tasks"] if a.task else (a.whom in names and begun <= a.at <= begun + WITHIN_S))
        ]  # fmt: skip
        by = {a.by: round((a.at - begun) / 60) for a in reversed(hits)}
        made.append({"name": row["name"], "agent": row["agent"], "planted": row["at"], "days_before": row["days_before"], "rule": row["name"] in slugs, "tasks": len(row["tasks"]), "minutes": by})  # fmt: skip
    return made


def apart(fired: list[Alarm], truth: list[dict[str, Any]]) -> tuple[list[Alarm], int]:
    """False alarms, and how many told of a budget that a quiet month did use up."""
    passed = {row["name"].removesuffix(" month") for row in truth if row["kind"] == "budget"}
    agents = {
        row["agent"] for row in truth if row["kind"] == "task" and row["department"] in passed
    }
    true = [a for a in fired if a.slug == "budget-burning" and a.whom in agents]
    return [a for a in fired if a not in true], len(true)


def show(
    caught: list[dict[str, Any]],
    false: list[Alarm],
    budgets: int,
    quiet: list[dict[str, Any]],
    arguments: argparse.Namespace,
) -> None:
    """The tables, or JSON."""
    agents = {row["agent"] for row in quiet if row["kind"] == "task"}
    found = sum(bool(row["minutes"]) for row in caught)
    kinds = Counter((alarm.slug, alarm.by) for alarm in false)
    whole = {
        "planted": len(caught), "caught": found, "agents": len(agents), "days": arguments.days,
        "true_budget_alarms": budgets, "false_alarms": len(false), "false_alarms_an_agent_month": round(len(false) / len(agents) * 30 / arguments.days, 2),
    }  # fmt: skip
    if arguments.json:
        rows = [{"name": slug, "by": by, "times": n} for (slug, by), n in kinds.items()]
        sys.stdout.write(json.dumps({**whole, "anomalies": caught, "false": rows}) + "\n")
        return
    print("| anomaly | agent | planted at | caught by | minutes to alert |")
    print("| --- | --- | --- | --- | --- |")
    for row in caught:
        soonest = sorted(row["minutes"].items(), key=lambda pair: pair[1])
        by = ", ".join(name for name, _ in soonest) or "nothing"
        minutes = ", ".join(str(minutes) for _, minutes in soonest)
        print(f"| {row['name']} | {row['agent']} | {row['planted'][:16]}Z | {by} | {minutes} |")
    print(f"\ncaught {found} of {len(caught)} planted anomalies")
    for (slug, by), count in sorted(kinds.items()):
        print(f"quiet month: {slug} by {by}: {count}")
    if budgets:
        print(
            f"quiet month: budget-burning told of budgets that were used up: {budgets}, no false alarm"
        )
    print(f"quiet month: {len(false)} false alarms of {len(agents)} agents in {arguments.days} days, {whole['false_alarms_an_agent_month']} an agent-month")  # fmt: skip


if __name__ == "__main__":
    main()
