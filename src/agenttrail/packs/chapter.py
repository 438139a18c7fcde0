"""The index in `runbooks/README.md`, between two marks, made from the rules."""

from __future__ import annotations

from collections.abc import Iterator

from agenttrail.errors import UsageError
from agenttrail.packs.anomalies import Anomaly, Pack

BEGIN = "<!-- index: made by `agenttrail pack export index` -->"
END = "<!-- end of index -->"
_ORDER = ("critical", "high", "medium", "low")


def index(pack: Pack) -> str:
    """The table of anomalies, the most severe first."""
    rows = sorted(pack.anomalies, key=lambda a: (_ORDER.index(a.rule.severity), a.rule.slug))
    return "\n".join(
        [
            "| alert | says | severity | channel | found by | OWASP ASI | MITRE ATLAS |",
            "| --- | --- | --- | --- | --- | --- | --- |",
            *(_row(a) for a in rows),
        ]
    )


def _row(a: Anomaly) -> str:
    rule = a.rule
    link = f"[{a.alert}](anomalies/{rule.slug}/README.md)"
    cells = [link, rule.title, rule.severity, rule.channel, ", ".join(_by(a)), ", ".join(rule.owasp_asi), ", ".join(rule.mitre_atlas)]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def _by(a: Anomaly) -> Iterator[str]:
    if a.rule.scan:
        yield "scan"
    if a.rule.prometheus is not None:
        yield "Prometheus"
    if a.sigma is not None:
        yield "Sigma"


def with_index(pack: Pack, text: str) -> str:
    """The chapter with the table between its marks.

    Raises:
        UsageError: the marks are not there.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise UsageError("README.md has no place for the index", hint=f"write the lines {BEGIN} and {END}")  # fmt: skip
    head, rest = text.split(BEGIN)
    return f"{head}{BEGIN}\n\n{index(pack)}\n\n{END}{rest.split(END)[1]}"
