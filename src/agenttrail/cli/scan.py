"""`agenttrail scan`: finds what no query of a SIEM expresses and writes it as anomaly events, once each.

The events go through the mask like all others, into the same stream. Their ids are deterministic, so a
second run stores nothing twice in Elasticsearch; with `--state` it writes nothing twice anywhere.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

from agenttrail.errors import UsageError

if TYPE_CHECKING:
    from agenttrail.insight.scan import Found, Numbers
    from agenttrail.seams import Event

# As in the rules of the same names; a test holds them together.
SEVERITIES = {
    "record-conflicting": "high", "context-lost": "medium", "data-exfiltrating": "critical",
    "destruction-bursting": "critical", "agent-looping": "high", "agent-off-hours": "medium",
    "agent-silent": "medium", "tool-first-seen": "low", "personal-data-surging": "high",
    "user-cost-spiking": "medium", "masking-collapsed": "critical", "injection-suspected": "high", "tool-definition-changed": "high",
}  # fmt: skip
_SCOPE = "scan"


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the verb."""
    parser = verbs.add_parser(
        "scan",
        help="finds what no SIEM query expresses: conflicts, lost context, baselines, chains; once each",
        description="Looks through masked JSON Lines for anomalies that need more than one event or an agent's own history, and writes each as an event, masked, into the same stream: run it by a timer, or behind each batch.",
    )
    parser.add_argument("input", nargs="+", metavar="PATH", help="masked JSON Lines, files or folders")  # fmt: skip
    parser.add_argument("--from", dest="since", metavar="TIME", help="first day or time, in UTC; give some weeks, they are the baseline")  # fmt: skip
    parser.add_argument("--to", dest="until", metavar="TIME", help="last day, or time before which events are, in UTC")  # fmt: skip
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="this anomaly; several times")  # fmt: skip
    parser.add_argument("--thresholds", metavar="FILE", help="numbers of your own, as runbooks/thresholds.yaml; scan_* of it")  # fmt: skip
    parser.add_argument("--state", metavar="FILE", help="remembers what was written, so that each is written once")  # fmt: skip
    parser.add_argument("--output", metavar="FILE", help="JSON Lines file that the events are appended to")  # fmt: skip
    parser.add_argument("-c", "--config", metavar="FILE", help="pipeline whose mask and sinks the events go through")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="what was found as one JSON object on standard output")  # fmt: skip
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Scans, writes what is new, prints what was found."""
    from agenttrail.cli._audit import AuditLog
    from agenttrail.insight.scan import DETECTORS, scan

    strange = [name for name in arguments.only if name not in DETECTORS]
    if strange:
        raise UsageError(f"nothing is called {strange[0]}", hint=f"known: {', '.join(DETECTORS)}")
    deliver = arguments.output is not None or arguments.config is not None
    if arguments.state is not None and not deliver:
        raise UsageError("--state has no effect without --output or -c")
    log = AuditLog(arguments.config, arguments.output) if deliver else None
    numbers = _numbers(arguments.thresholds)
    found = scan(arguments.input, numbers, only=arguments.only, since=arguments.since, until=arguments.until)  # fmt: skip
    fresh = found if log is None else _written(found, log, arguments.state)
    if arguments.json:
        rows = [{"name": each.slug, "severity": SEVERITIES[each.slug], "agent": each.agent, "at": each.moment, "task": each.task, "id": each.id, "evidence": each.evidence} for each in found]  # fmt: skip
        sys.stdout.write(json.dumps({"found": rows, "new": len(fresh)}) + "\n")
        return 0
    for each in found:
        evidence = ", ".join(f"{k} {v}" for k, v in each.evidence.items())
        sys.stdout.write(f"{each.moment}  {SEVERITIES[each.slug]:8}  {each.slug}  {each.agent}  {each.task or '-'}  {evidence}\n")  # fmt: skip
    counts = ", ".join(f"{n} {slug}" for slug, n in sorted(Counter(e.slug for e in found).items()))
    new = f", {len(fresh)} written" if deliver else ""
    sys.stderr.write(f"{len(found)} anomalies{new}{': ' if counts else ''}{counts}\n")
    return 0


def _numbers(path: str | None) -> Numbers:
    from agenttrail import decode
    from agenttrail.insight.scan import Numbers
    from agenttrail.packs.anomalies import ThresholdsFile

    if path is None:
        return Numbers()
    read: ThresholdsFile = decode.read(path, ThresholdsFile)
    known = Numbers.__dataclass_fields__
    mine: dict[str, Any] = {}
    for name, each in read.thresholds.items():
        bare = name.removeprefix("scan_")
        if bare == name:
            continue  # a number of a rule
        if bare not in known or not isinstance(each.value, (int, float)):
            raise UsageError(f"{path}: thresholds.{name}: no such number", hint=f"known: {', '.join(f'scan_{k}' for k in known)}")  # fmt: skip
        mine[bare] = float(each.value)
    return Numbers(**mine)


def _written(found: list[Found], log: Any, state_path: str | None) -> list[Found]:
    from agenttrail.governance.state import State

    state = State(state_path, _SCOPE)
    try:
        fresh = [each for each in found if state.get(each.id) is None]
        try:
            if fresh:
                log.deliver([event(each) for each in fresh])
        finally:
            log.close()
        # Behind the delivery: a run that is killed in between writes the same ids again.
        for each in fresh:
            state.put(each.id, 1)
        state.save()
    finally:
        state.close()
    return fresh


def event(found: Found) -> Event:
    """The anomaly event, not yet masked."""
    from agenttrail import fields as f
    from agenttrail import jsontext
    from agenttrail.seams import Event, Record

    filled: dict[str, Any] = {
        **f.CONSTANTS,
        f.TIMESTAMP: found.moment,
        f.EVENT_ID: found.id,
        f.EVENT_KIND: "alert",
        f.EVENT_CATEGORY: ["threat"],
        f.EVENT_TYPE: ["info"],
        f.EVENT_ACTION: "anomaly",
        f.EVENT_OUTCOME: "unknown",
        f.DATA_STREAM_NAMESPACE: "default",
        f.SOURCE_TYPE: "scan",
        f.SOURCE_FORMAT: "agenttrail",
        f.SOURCE_LINE: 1,
        f.SOURCE_TIME: "log",
        f.REGISTRY_AGENT_ID: found.agent,
        f.TASK_ID: found.task,
        f.TOOL_NAME: found.tool,
        f.MCP_SERVER_NAME: found.server,
        f.ANOMALY_NAME: found.slug,
        f.ANOMALY_SEVERITY: SEVERITIES[found.slug],
        f.ANOMALY_EVIDENCE: found.evidence,
    }
    filled = {name: value for name, value in filled.items() if value not in (None, "")}
    data = jsontext.dumps(f.to_document(filled))
    record = Record(
        data=data, source="scan", path=None, stream="scan", incarnation="scan", line=1, offset=0,
        end=0, digest=bytes.fromhex(found.id), full_bytes=len(data), time=found.moment,
    )  # fmt: skip
    return Event(filled, (record,))
