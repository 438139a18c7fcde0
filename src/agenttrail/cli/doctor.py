"""`agenttrail doctor`: is this installation sound, and does a collector let anything out unmasked?

Exit codes: 0 nothing found, 1 something found, 2 wrong usage or a file that cannot be read.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from agenttrail.errors import UsageError

if TYPE_CHECKING:
    from agenttrail.doctor._files import Outcome
    from agenttrail.doctor._finding import Finding
    from agenttrail.doctor.installation import Check

_EPILOG = """\
examples:
  agenttrail doctor                                      this installation, with a self-test
  agenttrail doctor -c pipeline.yaml                     its keys, dead letters and spool too
  agenttrail doctor /etc/otelcol/config.yaml             where agents' logs leave unmasked
  agenttrail doctor --fix --write /etc/otelcol/config.yaml

exit codes: 0 nothing found, 1 something found, 2 wrong usage or unreadable
"""


def add(verbs: Any) -> None:
    """Adds the verb."""
    from agenttrail.cli._options import add_profile

    parser = verbs.add_parser(
        "doctor",
        help="check this installation, or a collector's configuration for ways past the mask",
        description="Without CONFIG: Python, versions, model, extras, keys, what was kept back, and a self-test with planted data. With CONFIG: reads configurations of the OpenTelemetry Collector, Vector, Fluent Bit, rsyslog, syslog-ng and Logstash and reports, with file and line, where agents' logs reach an output unmasked, what fails open, which queues drop, and which positions are not kept. Files of one collector are read as one configuration.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("configs", nargs="*", metavar="CONFIG", help="configuration files of collectors, or folders of them")  # fmt: skip
    parser.add_argument("--kind", metavar="KIND", help="the collector, where its file does not tell: otelcol, logstash, fluent_bit, syslog_ng, vector, rsyslog")  # fmt: skip
    parser.add_argument("--source", action="append", default=[], metavar="GLOB", help="name of a source, receiver, input or tag that carries agents' logs (default: all do); can be repeated")  # fmt: skip
    parser.add_argument("--hop", action="append", default=[], metavar="HOST:PORT", help="where agenttrail listens, if no name says so; can be repeated")  # fmt: skip
    parser.add_argument("--fix", action="store_true", help="show the smallest change that inserts agenttrail and mends settings")  # fmt: skip
    parser.add_argument("--write", action="store_true", help="with --fix: write it, and keep each file as FILE.bak-TIME")  # fmt: skip
    parser.add_argument("--rules", action="store_true", help="list what is looked for, and which version's documentation says so")  # fmt: skip
    parser.add_argument("-c", "--config", metavar="FILE", help="without CONFIG: also the keys and kept events of this pipeline or hop")  # fmt: skip
    add_profile(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """0 where nothing is found."""
    if arguments.rules:
        return _rules(as_json=arguments.json)
    if not arguments.configs:
        for name in ("kind", "source", "hop", "fix", "write"):
            if getattr(arguments, name):
                raise UsageError(f"--{name} needs a CONFIG", hint="agenttrail doctor --help")
        return _installation(arguments)
    for name in ("config", "profile"):
        if getattr(arguments, name) is not None:
            raise UsageError(f"--{name} has no effect with CONFIG")
    if arguments.write and not arguments.fix:
        raise UsageError("--write needs --fix", hint="look at the diff of --fix alone first")
    return _configurations(arguments)


def _rules(*, as_json: bool) -> int:
    from agenttrail.doctor._files import rules

    if as_json:
        listed = [
            {n: getattr(r, n) for n in ("id", "severity", "why", "fix", "source")} for r in rules()
        ]
        sys.stdout.write(json.dumps(listed) + "\n")
        return 0
    for rule in rules():
        sys.stdout.write(f"{rule.id} ({rule.severity}): {rule.why}\n  fix: {rule.fix}\n  source: {rule.source}\n")  # fmt: skip
    return 0


def _configurations(arguments: argparse.Namespace) -> int:
    from agenttrail.doctor import _files
    from agenttrail.doctor._finding import Asked

    if arguments.kind is not None and arguments.kind not in _files.KINDS:
        raise UsageError(f"no collector is called '{arguments.kind}'", hint=f"known: {', '.join(_files.KINDS)}")  # fmt: skip
    asked = Asked(sources=tuple(arguments.source), hop=tuple(arguments.hop))
    outcome = _files.examine(arguments.configs, asked, kind=arguments.kind, fix=arguments.fix)
    before = {file.path: file for files in outcome.kinds.values() for file in files}
    for file in before:
        if file in outcome.within and arguments.write:
            raise UsageError(f"{outcome.within[file]}: a manifest is not written to", hint="take its configuration out, mend it, put it back")  # fmt: skip
    diffs = {path: _files.diff(before[path], text) for path, text in outcome.texts.items()}
    written = {}
    if arguments.write:
        now = datetime.now(UTC)
        written = {path: _files.write(path, text, now) for path, text in outcome.texts.items()}
    bad = outcome.remaining if arguments.write else outcome.findings
    if arguments.json:
        report: dict[str, Any] = {
            "ok": not bad, "kinds": {
                k: list(dict.fromkeys(outcome.within.get(f.path, f.path) for f in files))
                for k, files in outcome.kinds.items()
            },
            "findings": [f.as_json() for f in outcome.findings],
        }  # fmt: skip
        if arguments.fix:
            report |= {
                "diffs": diffs, "by_hand": outcome.left, "written": written,
                "remaining": [f.as_json() for f in outcome.remaining],
            }  # fmt: skip
        sys.stdout.write(json.dumps(report) + "\n")
    else:
        _print(outcome, diffs, written, fix=arguments.fix)
    return 1 if bad else 0


def _print(outcome: Outcome, diffs: dict[str, str], written: dict[str, str], *, fix: bool) -> None:
    for path in outcome.passed:
        sys.stderr.write(f"{path}: passed over, of no known collector\n")
    for finding in outcome.findings:
        sys.stdout.write(_told(finding))
    for text in diffs.values():
        sys.stdout.write(text)
    for path, backup in written.items():
        sys.stderr.write(f"{path}: written; as it was: {backup}\n")
    if fix and diffs:
        for note in dict.fromkeys((*outcome.left, *_beside(outcome))):
            sys.stderr.write(f"by hand: {note}\n")
        if outcome.remaining:
            sys.stderr.write(f"{len(outcome.remaining)} findings stay:\n")
            for finding in outcome.remaining:
                sys.stderr.write(f"  {finding.place.path}:{finding.place.line}: {finding.rule.id}: {finding.what}\n")  # fmt: skip
    elif fix:
        for note in outcome.left:
            sys.stderr.write(f"by hand: {note}\n")
    counts = f"{len(outcome.findings)} findings" if outcome.findings else "nothing found"
    read = [f for files in outcome.kinds.values() for f in files]
    files = len({outcome.within.get(f.path, f.path) for f in read})
    sys.stderr.write(f"{counts} in {files} file{'s' if files != 1 else ''} ({', '.join(outcome.kinds)})\n")  # fmt: skip


def _beside(outcome: Outcome) -> list[str]:
    """What must run beside the collector for what was inserted."""
    from agenttrail.doctor._finding import BACK_GRPC, HOP_GRPC, HOP_HTTP

    if any(
        f"{HOP_GRPC}" in text or HOP_HTTP.split(":")[1] in text for text in outcome.texts.values()
    ):
        return [
            f"run agenttrail beside it: agenttrail hop --grpc {HOP_GRPC} --http {HOP_HTTP} --to http://{BACK_GRPC}"
        ]
    return []


def _told(finding: Finding) -> str:
    place, rule = finding.place, finding.rule
    return (
        f"{place.path}:{place.line}: {rule.severity} {rule.id}: {finding.what}\n"
        f"    why: {rule.why}\n    fix: {rule.fix}\n"
    )


def _installation(arguments: argparse.Namespace) -> int:
    checks = list(_checks(arguments))
    good = all(check.state != "problem" for check in checks)
    if arguments.json:
        listed = [
            {"check": c.name, "state": c.state, "said": c.said, "hint": c.hint} for c in checks
        ]
        sys.stdout.write(json.dumps({"ok": good, "checks": listed}) + "\n")
    for check in checks:
        word = {"ok": "ok     ", "warning": "warning", "problem": "PROBLEM"}[check.state]
        sys.stderr.write(f"{word} {check.name}: {check.said}\n")
        if check.hint:
            sys.stderr.write(f"        try: {check.hint}\n")
    return 0 if good else 1


def _checks(arguments: argparse.Namespace) -> list[Check]:
    from agenttrail.cli._options import mask as mask_of
    from agenttrail.doctor import installation
    from agenttrail.keys import read_keys
    from agenttrail.masks._prefilter import best_engine

    settings: Any = None
    if arguments.config is not None:
        mask_of(arguments)  # refuses --profile beside it
        settings = _settings(arguments.config)
    options = mask_of(arguments) if settings is None else settings.mask
    names = options.profile != "fast"
    checks = [*installation.versions(), installation.model(options.spacy_model, needed=names)]
    checks += [installation.engine(best_engine()), installation.extras()]
    held = [*options.pseudonym_keys, *options.encryption_keys]

    def read() -> None:
        read_keys("pseudonym_keys", options.pseudonym_keys)
        read_keys("encryption_keys", options.encryption_keys)

    checks += installation.keys(held, read)

    def mask(texts: Any) -> list[str]:
        if not built:
            built.append(options.one())
        return [traced.masked for traced in built[0].trace(texts)]

    built: list[Any] = []
    checks += installation.self_test(mask, names=names)
    if arguments.config is not None:
        checks += installation.kept(settings)
    return checks


def _settings(path: str) -> Any:
    """A pipeline's file, or a hop's, which has `forward`."""
    from agenttrail.config import load, load_hop

    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            hop = any(line.startswith("forward:") for line in file)
    except OSError:
        hop = False  # load tells why
    return load_hop(path) if hop else load(path)
