"""One anomaly, one folder: the rule, samples that fire it and that must not, and the page for on-call.

    runbooks/
      thresholds.yaml
      anomalies/<slug>/rule.yaml, README.md, hit.jsonl, miss.jsonl

`load` reads all of it, or tells all that is wrong at once. Numbers are names in the rules, as
`${slow_factor}`; `thresholds.yaml` says each with its reason, and a file of the user's own overrides it.

A rule says how it is found: `prometheus` (an expression over the metrics of the sink `metrics`, or a
counter that must not move), `sigma` (a detection over events), `scan` (found by `agenttrail scan`, which
writes an anomaly event; rules for that event follow by themselves). One may say several.

Sources: OWASP Top 10 for Agentic Applications 2026 (ASI01 to ASI10); MITRE ATLAS 2026.09, techniques;
Sigma 2.1, detections.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml

from agenttrail import decode, jsontext
from agenttrail import fields as f
from agenttrail.errors import ConfigError, OptionError
from agenttrail.packs.baselines import Baseline

Severity = Literal["critical", "high", "medium", "low"]
Channel = Literal["owner", "security", "operations"]
ASI = {
    "ASI01": "Agent Goal Hijack", "ASI02": "Tool Misuse and Exploitation",
    "ASI03": "Identity and Privilege Abuse", "ASI04": "Agentic Supply Chain Vulnerabilities",
    "ASI05": "Unexpected Code Execution", "ASI06": "Memory and Context Poisoning",
    "ASI07": "Insecure Inter-Agent Communication", "ASI08": "Cascading Failures",
    "ASI09": "Human-Agent Trust Exploitation", "ASI10": "Rogue Agents",
}  # fmt: skip
ATLAS = {
    "AML.T0029": "Denial of AI Service", "AML.T0034": "Cost Harvesting", "AML.T0051": "LLM Prompt Injection",
    "AML.T0053": "AI Agent Tool Invocation", "AML.T0055": "Unsecured Credentials", "AML.T0057": "LLM Data Leakage",
    "AML.T0080": "AI Agent Context Poisoning", "AML.T0081": "Modify AI Agent Configuration",
    "AML.T0086": "Exfiltration via AI Agent Tool Invocation",
    "AML.T0101": "Data Destruction via AI Agent Tool Invocation", "AML.T0103": "Deploy AI Agent",
    "AML.T0110": "AI Agent Tool Poisoning",
}  # fmt: skip
_SLUG = f.FIELDS[f.ANOMALY_NAME].shape
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
# Sigma 2.1, correlations: of events, how many by what within which time.
_CORRELATED = frozenset({"detection", "type", "group-by", "timespan", "gte"})
_FOR = re.compile(r"\d+[smhd]")
_NAME = re.compile(r"\$\{([a-z][a-z0-9_]*)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PrometheusRule:
    """An alert: an expression, a counter of which every step is one too many, or a value far from its usual."""

    expr: Annotated[str, "PromQL that has a sample for each agent the alert fires for."] = ""
    counted: Annotated[str, "Selector of a counter; the alert fires when it moves."] = ""
    baseline: Annotated[Baseline | None, "A value that has a usual one; the alert fires far from it."] = None  # fmt: skip
    wait: Annotated[str, "How long it must hold before it fires, as 5m."] = "0s"
    by: Annotated[
        tuple[str, ...], "Labels that a counter is summed by, and that a baseline has."
    ] = ("gen_ai_agent_name",)

    def __post_init__(self) -> None:
        if sum(map(bool, (self.expr, self.counted, self.baseline))) != 1:
            raise OptionError("expr", "either expr, counted or baseline is needed")
        if not _FOR.fullmatch(self.wait):
            raise OptionError("wait", "must be a number and s, m, h or d")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """rule.yaml without its Sigma part."""

    id: Annotated[str, "UUID, for ever."]
    slug: Annotated[str, "Name: subject and state, as its folder is called."]
    title: Annotated[str, "What is the matter, in a few words."]
    summary: Annotated[str, "One sentence for whoever is paged."]
    severity: Annotated[Severity, "critical pages at once, high within the hour, medium the same day, low is looked at in the weekly review."]  # fmt: skip
    channel: Annotated[Channel, "Who is told: the agent's owner, security, or operations."]
    owasp_asi: Annotated[tuple[str, ...], "OWASP Top 10 for Agentic Applications."] = ()
    mitre_atlas: Annotated[tuple[str, ...], "Techniques of MITRE ATLAS."] = ()
    falsepositives: Annotated[tuple[str, ...], "What fires it and is no harm."] = ()
    dashboards: Annotated[tuple[str, ...], "Dashboards that show it."] = ()
    prometheus: PrometheusRule | None = None
    scan: Annotated[bool, "Found by `agenttrail scan`."] = False
    fires_for: Annotated[tuple[str, ...], "Agents that hit.jsonl is about."] = ()
    delivered_after_s: Annotated[float, "How long after its time each sample is delivered."] = 0.0
    refused_as: Annotated[str, "Reason by which a sink refuses the events of hit.jsonl; they are dead letters."] = ""  # fmt: skip

    def __post_init__(self) -> None:
        assert _SLUG is not None
        if not _UUID.fullmatch(self.id):
            raise OptionError("id", "must be a UUID of version 4, in lower case")
        if not _SLUG.fits(self.slug):
            raise OptionError("slug", "must be words of lower case letters with hyphens between")
        for option, known in (("owasp_asi", ASI), ("mitre_atlas", ATLAS)):
            for each in getattr(self, option):
                if each not in known:
                    raise OptionError(option, f"'{each}' is unknown", hint=f"known: {', '.join(known)}")  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """One number of the rules."""

    value: Annotated[float | str, "The number, or a duration as 6h."]
    reason: Annotated[str, "Why it is this one."] = ""
    move: Annotated[str, "When to move it, and which way."] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdsFile:
    """thresholds.yaml."""

    thresholds: Annotated[dict[str, Threshold], "Numbers by name."] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Anomaly:
    """A folder as it was read. `sigma` is the detection with its numbers, None where there is none.

    `correlation` is what a burst is made of: a `detection`, and `type`, `group-by`, `timespan` and `gte` of
    Sigma's correlations; None where there is none.
    """

    rule: Rule
    folder: Path
    page: str
    sigma: Mapping[str, Any] | None
    correlation: Mapping[str, Any] | None
    hit: tuple[Mapping[str, Any], ...]
    miss: tuple[Mapping[str, Any], ...]
    names: frozenset[str]  # of thresholds

    @property
    def alert(self) -> str:
        """The alert's name: the slug in CamelCase."""
        return "".join(part.capitalize() for part in self.rule.slug.split("-"))


@dataclass(frozen=True, slots=True)
class Pack:
    """All anomalies, sorted by slug, and the numbers that hold."""

    root: Path
    anomalies: tuple[Anomaly, ...]
    thresholds: Mapping[str, Threshold]


def load(root: Path, overrides: Path | None = None) -> Pack:
    """The pack below a folder.

    Args:
        root: the folder with `anomalies` and `thresholds.yaml`.
        overrides: a file as thresholds.yaml whose values win.

    Raises:
        ConfigError: all that is wrong with rules, samples and numbers, at once.
    """
    problems: list[str] = []
    thresholds = dict(_thresholds(root / "thresholds.yaml", problems))
    if overrides is not None:
        for name, mine in _thresholds(overrides, problems).items():
            if name not in thresholds:
                problems.append(f"{overrides}: thresholds.{name}: no rule has such a number\n  known: {', '.join(sorted(thresholds))}")  # fmt: skip
            else:
                thresholds[name] = mine
    values = {name: written(each.value) for name, each in thresholds.items()}
    anomalies = []
    folders = sorted(p for p in (root / "anomalies").glob("*") if p.is_dir())
    if not folders:
        problems.append(f"{root}: holds no folder anomalies/<slug>")
    for folder in folders:
        made = _anomaly(folder, values, problems)
        if made is not None:
            anomalies.append(made)
    if problems:
        raise ConfigError(problems)
    return Pack(root, tuple(anomalies), thresholds)


def _thresholds(path: Path, problems: list[str]) -> dict[str, Threshold]:
    try:
        read: ThresholdsFile = decode.read(str(path), ThresholdsFile)
    except ConfigError as error:
        problems += error.problems
        return {}
    return read.thresholds


def written(value: float | str) -> str:
    """A number without a needless .0; a duration as it is."""
    return value if isinstance(value, str) else f"{value:.15g}"


def _anomaly(folder: Path, values: Mapping[str, str], problems: list[str]) -> Anomaly | None:
    path = folder / "rule.yaml"
    before = len(problems)
    text, sigma, correlation = "", None, None
    try:
        text = decode.text_of(str(path))
        rest, sigma_text = _parted(text)
        rule: Rule = decode.decode(rest, str(path), Rule, values)
    except ConfigError as error:
        problems += error.problems
        return None
    if sigma_text:
        sigma, correlation = _sigma(path, sigma_text, values, problems)
    page = ""
    if (folder / "README.md").is_file():
        page = (folder / "README.md").read_text(encoding="utf-8")
    else:
        problems.append(f"{folder}/README.md: is missing\n  write the page: Meaning, Impact, Diagnosis, Mitigation, Tuning")  # fmt: skip
    hit, miss = (_samples(folder / name, problems) for name in ("hit.jsonl", "miss.jsonl"))
    if rule.slug != folder.name:
        problems.append(f"{path}: slug: is '{rule.slug}', and the folder is '{folder.name}'")
    if len(problems) > before:
        return None
    return Anomaly(
        rule, folder, page, sigma, correlation, hit, miss, frozenset(_NAME.findall(text))
    )


def _parted(text: str) -> tuple[str, str]:
    """The rule without its Sigma part, which keeps its lines; and that part."""
    rest, sigma, within = [], [], False
    for line in text.splitlines():
        within = line.startswith(("sigma:", "correlation:")) or (within and (line[:1] in (" ", "") or line[:1] == "#"))  # fmt: skip
        rest.append("" if within else line)
        if within:
            sigma.append(line)
    return "\n".join(rest) + "\n", "\n".join(sigma)


def _sigma(
    path: Path, text: str, values: Mapping[str, str], problems: list[str]
) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
    missing = sorted({name for name in _NAME.findall(text) if name not in values})
    if missing:
        problems.append(f"{path}: sigma: thresholds.yaml has no {', '.join(missing)}")
        return None, None
    try:
        found = yaml.safe_load(_NAME.sub(lambda m: values[m[1]], text))
    except yaml.YAMLError:
        problems.append(f"{path}: sigma: not YAML")
        return None, None
    for name, part in found.items():
        if not isinstance(part, dict) or not isinstance(part.get("detection"), dict):
            problems.append(f"{path}: {name}: needs a mapping 'detection'")
            return None, None
    correlation = found.get("correlation")
    if correlation is not None and set(correlation) != _CORRELATED:
        problems.append(
            f"{path}: correlation: needs {', '.join(sorted(_CORRELATED))} and nothing else"
        )
        return None, None
    return found.get("sigma"), correlation


def _samples(path: Path, problems: list[str]) -> tuple[Mapping[str, Any], ...]:
    """Flat events of a file of samples."""
    if not path.is_file():
        problems.append(f"{path}: is missing\n  write events of the record, a line each")
        return ()
    made = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            known, unknown = f.from_document(jsontext.loads(line))
        except (ValueError, AttributeError):
            problems.append(f"{path}:{number}: not a JSON object")
            continue
        problems += [f"{path}:{number}: no field is called '{name}'" for name in unknown]
        problems += [
            f"{path}:{number}: '{name}' is missing" for name in f.REQUIRED if name not in known
        ]
        made.append(known)
    if not made:
        problems.append(f"{path}: holds no event")
    return tuple(made)
