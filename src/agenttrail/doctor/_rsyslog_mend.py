"""The smallest change of an rsyslog configuration: agenttrail as mmexternal in front of what sends.

mmexternal that fails leaves the message as it is (8.2302, plugins/mmexternal/mmexternal.c): a message
that the mask has not answered stays in a local quarantine, and the actions behind it write only what
the mask has given. Checked with `rsyslogd -N1` 8.2302.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from agenttrail.doctor._rsyslog_text import Statement

_MASK = (
    'action(type="mmexternal" binary="/usr/bin/agenttrail filter --protocol rsyslog"',
    '       interface.input="fulljson" forceSingleInstance="on")',
    'if $!agenttrail!status == "" then {',
    '    action(type="omfile" file="/var/spool/rsyslog/agenttrail-quarantine.log" fileCreateMode="0600")',
    "    stop",
    "}",
)
_TEMPLATES = {
    "agenttrail_forward": 'template(name="agenttrail_forward" type="string" string="<%pri%>%timegenerated:::date-rfc3339% %hostname% %syslogtag%%$!agenttrail!line%")',
    "agenttrail_document": 'template(name="agenttrail_document" type="list" option.jsonf="on") {\n'
    '    property(outname="@timestamp" name="timegenerated" dateFormat="rfc3339" format="jsonf")\n'
    '    property(outname="message" name="$!agenttrail!line" format="jsonf")\n}',
}


def insert(text: str, statement: Statement) -> str:
    """The text with the mask in front of an action, and its module loaded."""
    indent = _indent(text, statement.start)
    lines = f"\n{indent}".join(_MASK) + f"\n{indent}"
    text = text[: statement.start] + lines + text[statement.start :]
    if re.search(r'(?i)load\s*=\s*"mmexternal"|\$ModLoad\s+mmexternal', text):
        return text
    return head('module(load="mmexternal")')(text)


def head(line: str) -> Callable[[str], str]:
    """Puts a line in front of the first statement, behind comments at the top."""

    def repair(text: str) -> str:
        lines = text.splitlines(keepends=True)
        at = 0
        while at < len(lines) and (not lines[at].strip() or lines[at].lstrip().startswith("#")):
            at += 1
        lines.insert(at, line + "\n")
        return "".join(lines)

    return repair


def before(statement: Statement, line: str) -> Callable[[str], str]:
    """Puts a line in front of a statement."""

    def repair(text: str) -> str:
        indent = _indent(text, statement.start)
        return text[: statement.start] + line + "\n" + indent + text[statement.start :]

    return repair


def templated(statement: Statement) -> Callable[[str], str]:
    """Lets an action write what the mask has given: as syslog, or as a JSON document."""
    name = "agenttrail_forward" if statement.name == "omfwd" else "agenttrail_document"

    def repair(text: str) -> str:
        if statement.inside >= 0:
            text = setting(statement, {"template": name})(text)
        else:
            start, end = statement.spans["legacy"]
            bare = re.sub(r";\s*\w+$", "", text[start:end])
            text = f"{text[:start]}{bare};{name}{text[end:]}"
        return text if f'name="{name}"' in text else head(_TEMPLATES[name])(text)

    return repair


def setting(statement: Statement, values: dict[str, str]) -> Callable[[str], str]:
    """Sets parameters of an object, or legacy directives in front of a legacy action."""

    def repair(text: str) -> str:
        if statement.inside < 0:
            for key, value in values.items():
                directive = _LEGACY.get(key)
                if directive is None or key.lower() in statement.values:
                    return text
                text = before(statement, f"{directive} {value}")(text)
            return text
        added = []
        for key, value in values.items():
            span = statement.spans.get(key.lower())
            if span is None:
                added.append(f'{key}="{value}"')
            elif len(values) == 1:
                return text[: span[0]] + f'{key}="{value}"' + text[span[1] :]
        if not added:
            return text
        if statement.spans:
            last = max(end for _, end in statement.spans.values())
            start = text.rfind("\n", 0, max(start for start, _ in statement.spans.values())) + 1
            own_line = statement.line != text.count("\n", 0, last) + 1
            indent = text[start : start + len(text[start:]) - len(text[start:].lstrip())]
            glue = f"\n{indent}" if own_line else " "
            return text[:last] + glue + " ".join(added) + text[last:]
        return text[: statement.inside] + " ".join(added) + text[statement.inside :]

    return repair


def by_tcp(statement: Statement) -> Callable[[str], str]:
    """Sends by TCP what was sent by UDP."""
    if statement.inside >= 0:
        return setting(statement, {"protocol": "tcp"})

    def repair(text: str) -> str:
        at = statement.spans["legacy"][0]
        return text[:at] + "@" + text[at:]

    return repair


_LEGACY = {
    "action.resumeRetryCount": "$ActionResumeRetryCount", "queue.type": "$ActionQueueType",
    "queue.filename": "$ActionQueueFileName", "queue.saveOnShutdown": "$ActionQueueSaveOnShutdown",
}  # fmt: skip


def _indent(text: str, offset: int) -> str:
    line = text[text.rfind("\n", 0, offset) + 1 : offset]
    return line if not line.strip() else " " * (len(line) - len(line.lstrip()))
