"""What the rules catch of a simulated month, how soon, and how often they fire in a quiet one.

A month with every planted anomaly and one without any go through the real pipeline. Then:

- Prometheus: the series that the sink `metrics` would have had, put into a real Prometheus's storage by
  promtool, and every alert's expression asked over the whole month at steps of a quarter of an hour, the window of the counters' rules;
- scan: `agenttrail scan` over the masked lines;
- Sigma: each Lucene query against a real Elasticsearch with the masked lines, where one is there.

An anomaly is caught by a rule of its name that fires for its agent, its department or one of its tasks,
from its beginning to two days behind it. Firing without a gap is one alarm. What fires in the quiet month is a false alarm.
"""

from __future__ import annotations

import argparse
import itertools
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
from agenttrail.packs.series import selector, series
from agenttrail.simulate.month import simulate
from agenttrail.sinks._elasticsearch_template import mappings
from tests.cli._run import agenttrail
from tests.engines import elasticsearch as es
from tests.engines import prometheus
from tests.engines._process import Process, free_ports

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
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, es.start() as server:
        loud = month(Path(folder) / "loud", arguments, anomalies=True)
        quiet = month(Path(folder) / "quiet", arguments, anomalies=False)
        caught = judged(loud, alarms(Path(folder) / "loud", server))
        false = alarms(Path(folder) / "quiet", server)
    show(caught, false, quiet, arguments)


def month(folder: Path, arguments: argparse.Namespace, *, anomalies: bool) -> list[dict[str, Any]]:
    """The truth of a month that was simulated into a folder and read by its own pipeline."""
    made = simulate(days=arguments.days, tasks_per_day=arguments.tasks_per_day, anomalies=anomalies)
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
    programs = prometheus.prepare()
    pack = load(RUNBOOKS)
    slugs = {a.alert: a.rule.slug for a in pack.anomalies if a.rule.prometheus}
    asked = rules.rules(pack, "runbooks")["groups"][0]["rules"]
    text = " ".join(rule["expr"] for rule in asked)
    used = {key: values for key, values in seen.values.items() if key[0] in text}
    made: list[Alarm] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (folder / "metrics.txt").open("w") as file:
            for metric, group in itertools.groupby(used.items(), key=lambda kv: kv[0][0]):
                # Of no type: OpenMetrics would want each name to end as its type says.
                file.write(f"# TYPE {metric} gauge\n")
                for key, values in group:
                    written = selector(*key).replace(", ", ",")
                    for step, value in enumerate(values):
                        if value is not None:
                            file.write(f"{written} {value:.12g} {seen.start_s + step * seen.step_s:.0f}\n")  # fmt: skip
            file.write("# EOF\n")
        code, said = programs.promtool_says("tsdb", "create-blocks-from", "--max-block-duration=1488h", "openmetrics", "metrics.txt", "data", cwd=folder)  # fmt: skip
        assert code == 0, said[-2000:]
        (folder / "prometheus.yaml").write_text("{}\n")
        (port,) = free_ports(1)
        arguments = [
            str(programs.prometheus), "--config.file=prometheus.yaml", "--storage.tsdb.path=data",
            "--storage.tsdb.retention.time=10y", f"--web.listen-address=127.0.0.1:{port}",
        ]  # fmt: skip
        url = f"http://127.0.0.1:{port}"
        process = Process("prometheus", arguments, cwd=folder, log=folder / "log", healthy=lambda: _ready(url), env=programs.env)  # fmt: skip
        process.start()
        try:
            server = prometheus.Server(url=url, folder=folder, process=process)
            end = seen.start_s + seen.steps * seen.step_s
            for rule in asked:
                if rule["alert"] in slugs:
                    answer = server.get("/api/v1/query_range", query=rule["expr"], start=str(seen.start_s), end=str(end), step=str(seen.step_s))  # fmt: skip
                    for row in answer["data"]["result"]:
                        whom = next(
                            (row["metric"][name] for name in rules.WHOM if row["metric"].get(name)),
                            "",
                        )
                        made += [Alarm(slugs[rule["alert"]], "Prometheus", whom, at) for at in _beginnings(row["values"])]  # fmt: skip
        finally:
            process.stop()
    return made


def _ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/-/ready", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


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
        made.append({"name": row["name"], "agent": row["agent"], "rule": row["name"] in slugs, "tasks": len(row["tasks"]), "minutes": by})  # fmt: skip
    return made


def show(
    caught: list[dict[str, Any]],
    false: list[Alarm],
    quiet: list[dict[str, Any]],
    arguments: argparse.Namespace,
) -> None:
    """The tables, or JSON."""
    agents = {row["agent"] for row in quiet if row["kind"] == "task"}
    found = sum(bool(row["minutes"]) for row in caught)
    kinds = Counter((alarm.slug, alarm.by) for alarm in false)
    whole = {
        "planted": len(caught), "caught": found, "agents": len(agents), "days": arguments.days,
        "false_alarms": len(false), "false_alarms_an_agent_month": round(len(false) / len(agents) * 30 / arguments.days, 2),
    }  # fmt: skip
    if arguments.json:
        rows = [{"name": slug, "by": by, "times": n} for (slug, by), n in kinds.items()]
        sys.stdout.write(json.dumps({**whole, "anomalies": caught, "false": rows}) + "\n")
        return
    for row in caught:
        how = ", ".join(f"{by} after {m} min" for by, m in sorted(row["minutes"].items()))
        print(f"{row['name']:26} {row['agent']:12} {how or 'NOT CAUGHT'}")
    print(f"\ncaught {found} of {len(caught)} planted anomalies")
    for (slug, by), count in sorted(kinds.items()):
        print(f"quiet month: {slug} by {by}: {count}")
    print(f"quiet month: {len(false)} alarms of {len(agents)} agents in {arguments.days} days, {whole['false_alarms_an_agent_month']} an agent-month")  # fmt: skip


if __name__ == "__main__":
    main()
