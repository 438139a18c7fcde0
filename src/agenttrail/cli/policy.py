"""`agenttrail policy`: the policy checked, tried on a call, and its sampling shown on many."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from agenttrail.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from agenttrail.governance.policy import PolicyFile
    from agenttrail.governance.verdicts import Call


def add(verbs: Any) -> None:
    """Adds the verb."""
    parser = verbs.add_parser(
        "policy",
        help="the policy: check, try, sample",
        description="Checks the policy (policy.yaml), tries it on a call and says which rules spoke, and draws many calls to show what sampling does.",
    )
    what = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    check = what.add_parser(
        "check",
        help="all mistakes at once",
        description="Reports everything that is wrong with a policy at once, with file, line and a hint; with --registry also names that the registry does not know. Ends with 2 where there is anything.",
    )
    check.add_argument("policy", metavar="FILE", help="policy.yaml")
    _add_registry(check)
    check.set_defaults(run=_check)

    try_ = what.add_parser(
        "try",
        help="what the policy says of a call, and why",
        description="Judges one call, given by --agent, --tool and --arguments, or each event of a file of raw logs' lines as `agenttrail try` reads them, and says which rules were asked and what they said. Prints no argument.",
    )
    try_.add_argument("policy", metavar="FILE", help="policy.yaml")
    _add_registry(try_)
    try_.add_argument("--agent", metavar="ID", default="", help="agent, by its id in the registry")
    try_.add_argument("--server", metavar="NAME", help="MCP server of the tool")
    try_.add_argument("--tool", metavar="NAME", help="tool that is called")
    try_.add_argument("--arguments", metavar="JSON", default="{}", help="its arguments; - reads standard input")  # fmt: skip
    try_.add_argument("--log", metavar="FILE", help="instead: every tool call of a log, its format found by itself")  # fmt: skip
    try_.add_argument("--json", action="store_true", help="one JSON object a line")
    try_.set_defaults(run=_try)

    sample = what.add_parser(
        "sample",
        help="the expense policy on many made-up claims: shares and their interval",
        description="Judges many made-up payments of one tool, their amounts spread evenly over the powers of ten, and shows how each rule decided; for sampling rules the share that was drawn, its 95 % confidence interval, and whether a second run draws the same.",
    )
    sample.add_argument("policy", metavar="FILE", help="policy.yaml")
    sample.add_argument("--agent", metavar="ID", default="expense", help="agent; expense where nothing is said")  # fmt: skip
    sample.add_argument("--server", metavar="NAME", default="expenses", help="server; expenses where nothing is said")  # fmt: skip
    sample.add_argument("--tool", metavar="NAME", default="pay_claim", help="tool; pay_claim where nothing is said")  # fmt: skip
    sample.add_argument("--claims", metavar="N", type=int, default=10_000, help="how many; 10,000 where nothing is said")  # fmt: skip
    sample.add_argument("--seed", metavar="N", type=int, default=1, help="of the made-up amounts, not of the policy")  # fmt: skip
    sample.add_argument("--currency", metavar="CODE", default="JPY", help="of the amounts")
    sample.set_defaults(run=_sample)


def _add_registry(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--registry", metavar="PATH", help="agents.yaml, or a folder of such files")


def _registry(arguments: argparse.Namespace) -> Any:
    from agenttrail.governance import registry

    return registry.load(arguments.registry) if arguments.registry else None


def _check(arguments: argparse.Namespace) -> int:
    from agenttrail.governance import policy

    document = policy.survey(arguments.policy, _registry(arguments))
    if document.problems:
        raise ConfigError(document.problems)
    made: PolicyFile = document.value
    sys.stderr.write(
        f"ok: {len(made.rules)} rules, {len(made.channels)} channels, {len(made.budgets)} budgets\n"
    )
    return 0


def _try(arguments: argparse.Namespace) -> int:
    from agenttrail.governance import policy
    from agenttrail.governance.verdicts import Evaluator

    known = _registry(arguments)
    evaluate = Evaluator(policy.load(arguments.policy, known))
    calls = _of_log(arguments, known) if arguments.log else [("", _of_options(arguments, known))]
    for place, call in calls:
        verdict = evaluate(call)
        said = evaluate.explain(call)
        if arguments.json:
            row = {
                **({"line": place} if place else {}), "agent": call.agent, "server": call.server,
                "tool": call.tool, "verdict": verdict.action, "basis": verdict.basis,
                "rules": verdict.rules, "findings": verdict.findings,
                "channel": verdict.channel.name if verdict.channel else None,
                "asked": [{"rule": s.rule.name, "kind": s.rule.type, "fit": s.fit, "verdict": s.action, "finding": s.finding or None, "drawn": s.drawn} for s in said],
            }  # fmt: skip
            sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
            continue
        of = ".".join(filter(None, (call.server, call.tool)))
        channel = f", ask {verdict.channel.name} (answer within {verdict.channel.respond_within_s:g} s)" if verdict.channel and verdict.action == "require_approval" else ""  # fmt: skip
        sys.stdout.write(f"{f'{place}: ' if place else ''}{call.agent or 'an unknown agent'} {of}: {verdict.action} by {verdict.basis}{channel}\n")  # fmt: skip
        for one in said:
            drawn = "" if one.drawn is None else " (drawn)" if one.drawn else " (not drawn)"
            why = f": {one.finding}" if one.finding else f": {one.action}" if one.action else ""
            sys.stdout.write(f"  {one.rule.type} '{one.rule.name}' {one.fit}{why}{drawn}\n")
        if not said:
            sys.stdout.write("  no rule is for such calls\n")
    return 0


def _of_options(arguments: argparse.Namespace, known: Any) -> Call:
    from agenttrail import jsontext
    from agenttrail.governance.verdicts import Call

    if not arguments.tool:
        raise UsageError("no call is given", hint="--tool NAME --arguments JSON, or --log FILE")
    text = sys.stdin.read() if arguments.arguments == "-" else arguments.arguments
    try:
        given = jsontext.loads(text)
    except ValueError:
        raise UsageError("--arguments is no JSON", hint='as {"amount": 5000}') from None
    agent = known.agents.get(arguments.agent) if known is not None else None
    return Call(
        agent=arguments.agent, department=agent.department if agent else "",
        server=arguments.server, tool=arguments.tool, arguments=given,
    )  # fmt: skip


def _of_log(arguments: argparse.Namespace, known: Any) -> list[tuple[str, Call]]:
    """Every tool call of a log, with its line."""
    from agenttrail import fields as f
    from agenttrail.formats.auto import AutoOptions
    from agenttrail.governance.verdicts import call_of
    from agenttrail.seams import Drop, Event, Record, StreamEnd
    from agenttrail.sources.file import FileOptions

    form = AutoOptions().build()
    source = FileOptions(paths=(arguments.log,)).build()
    found = []
    try:
        for item in source.read():
            made: Any = ()
            try:
                if isinstance(item, Record):
                    made = list(form(item))
                elif isinstance(item, StreamEnd):
                    made = list(form.end(item.stream))
            except Drop:
                continue
            for event in made:
                if not isinstance(event, Event) or event.fields.get(f.EVENT_ACTION) != "execute_tool":  # fmt: skip
                    continue
                fields = dict(event.fields)
                agent = known.identify(fields) if known is not None else None
                if agent is not None:
                    fields |= {f.REGISTRY_AGENT_ID: agent.id, f.REGISTRY_DEPARTMENT: agent.department}  # fmt: skip
                call = call_of(fields)
                if call is not None:
                    found.append((f"line {fields[f.SOURCE_LINE]}", call))
    finally:
        source.close()
    return found


def _sample(arguments: argparse.Namespace) -> int:
    import random
    from collections import Counter

    from agenttrail.governance import policy
    from agenttrail.governance.policy import SamplingRule
    from agenttrail.governance.verdicts import Call, Evaluator

    if arguments.claims < 1:
        raise UsageError("--claims must be at least 1")
    made = policy.load(arguments.policy)
    rng = random.Random(arguments.seed)  # noqa: S311  made-up amounts
    calls = [
        Call(
            agent=arguments.agent, server=arguments.server, tool=arguments.tool,
            arguments={
                "claim_id": f"claim-{number}", "amount": round(10 ** rng.uniform(2, 6)),
                "currency": arguments.currency,
            },
        )
        for number in range(arguments.claims)
    ]  # fmt: skip
    one, two = Evaluator(made), Evaluator(made)
    verdicts = [one(call) for call in calls]
    again = [two(call) for call in calls]
    counts = Counter((v.rules[0] if v.rules else "default", v.basis, v.action) for v in verdicts)
    sys.stdout.write(f"{len(calls)} calls of {arguments.tool} by {arguments.agent}\n")
    for (rule, basis, action), number in sorted(counts.items()):
        sys.stdout.write(f"  {number:6} {action:16} {basis} '{rule}'\n")
    for rule_ in made.rules:
        if not isinstance(rule_, SamplingRule):
            continue
        of = [v for v in verdicts if v.rules and v.rules[0] == rule_.name]
        if not of:
            continue
        drawn = sum(v.action != "automatic" for v in of)
        low, high = _interval(drawn, len(of))
        sys.stdout.write(
            f"sampling '{rule_.name}': {drawn} of {len(of)} drawn, {drawn / len(of):.4f}; 95 % interval "
            f"{low:.4f} to {high:.4f}; share {rule_.share:g} is {'inside' if low <= rule_.share <= high else 'OUTSIDE'}\n"
        )
    same = verdicts == again
    sys.stdout.write(f"a second run with the same seed: {'the same verdicts' if same else 'OTHER VERDICTS'}\n")  # fmt: skip
    return 0 if same else 1


def _interval(hits: int, of: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share: right for small shares too."""
    z, share = 1.959964, hits / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    spread = z * ((share * (1 - share) / of + z * z / (4 * of * of)) ** 0.5) / (1 + z * z / of)
    return max(0.0, middle - spread), min(1.0, middle + spread)
