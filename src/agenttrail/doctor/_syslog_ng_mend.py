"""The smallest change of a syslog-ng configuration: agenttrail as a Python parser in front of what sends.

A parser that fails only lets go of a message: the other branch keeps it in a local quarantine. Checked
with `syslog-ng --syntax-only` 3.38.
"""

from __future__ import annotations

import re

from agenttrail.doctor._finding import Repair
from agenttrail.doctor._syslog_ng_text import Word

_PARSER = '''
python {
import json
import sys

# The Python that syslog-ng embeds must have the minor version of this one: `syslog-ng -V` says it.
sys.path.append("/opt/agenttrail/lib/python3.11/site-packages")

from agenttrail.guard import Guard
from agenttrail.masks.presidio import PresidioOptions


class AgenttrailMask(object):
    """Sets agenttrail.line to what may leave of a message; the mask runs in a process of its own."""

    def init(self, options):
        self.guard = Guard(PresidioOptions(), timeout_s=30.0, python="/opt/agenttrail/bin/python")
        return True

    def deinit(self):
        self.guard.close()
        return True

    def parse(self, message):
        text = message["MESSAGE"]
        line = text if isinstance(text, bytes) else text.encode("utf-8", "replace")
        ((masked, error),) = self.guard.lines([line])
        if error:
            failed = {"agenttrail": {"pii": {"failed": True, "error": error}}}
            masked = json.dumps(failed).encode()
        message["agenttrail.line"] = masked
        return True
};

parser p_agenttrail { python(class("AgenttrailMask")); };

destination d_agenttrail_quarantine {
    file("/var/lib/syslog-ng/agenttrail-quarantine.log" template("${MESSAGE}\\n") perm(0600));
};
'''
_FORWARD = 'template("<${PRI}>1 ${ISODATE} ${HOST} ${PROGRAM} - - - ${agenttrail.line}\\n")'
_DOCUMENT = 'body("$(format-json --scope none --pair @timestamp=\\"${R_ISODATE}\\" --pair message=\\"${agenttrail.line}\\")")'
_BUFFER = 'disk-buffer(reliable(yes) disk-buf-size(1073741824) mem-buf-size(10485760) dir("/var/lib/syslog-ng"))'


def masking(word: Word, *, known: bool) -> Repair:
    """Puts the parser in front of a destination; what it lets go of into quarantine."""

    def repair(text: str) -> str:
        end = text.find(";", word.end)
        if end < 0:
            return text
        indent = text[text.rfind("\n", 0, word.start) + 1 : word.start]
        indent = indent if not indent.strip() else "    "
        inner = text[word.start : end + 1]
        made = (
            f"if {{\n{indent}    parser(p_agenttrail);\n{indent}    {inner}\n"
            f"{indent}}} else {{\n{indent}    destination(d_agenttrail_quarantine);\n{indent}}};"
        )
        text = text[: word.start] + made + text[end + 1 :]
        return text if known else _behind_the_head(text)

    return repair


def _behind_the_head(text: str) -> str:
    """The parser in front of the first statement, behind @version and comments."""
    lines = text.splitlines(keepends=True)
    at = 0
    while at < len(lines) and (not lines[at].strip() or lines[at].lstrip()[0] in "@#"):
        at += 1
    return "".join([*lines[:at], _PARSER.lstrip("\n"), "\n", *lines[at:]])


def flow_control(path: Word) -> Repair:
    """Turns flow control on in a log path."""
    flags = next((w for w in path.brace or [] if w.text == "flags"), None)

    def repair(text: str) -> str:
        if flags is not None and flags.inside >= 0:
            return text[: flags.inside] + "flow-control, " + text[flags.inside :]
        end = path.end - 1
        start = text.rfind("\n", 0, end) + 1
        if text[start:end].strip():
            return f"{text[:end]} flags(flow-control); {text[end:]}"
        return f"{text[:start]}    flags(flow-control);\n{text[start:]}"

    return repair


def disk_buffer(driver: Word, buffer: Word | None) -> Repair:
    """A reliable buffer on disk."""
    if buffer is not None:
        option = buffer.get("reliable")
        return _set(buffer, option, "reliable(yes)")
    return _set(driver, None, _BUFFER)


def retries(driver: Word, option: Word | None) -> Repair:
    """Tries for ever, as far as a number can say so."""
    return _set(driver, option, "retries(1000000)")


def by_tcp(driver: Word, option: Word | None) -> Repair:
    """Sends by TCP what was sent by UDP."""
    if driver.text in ("udp", "udp6"):

        def repair(text: str) -> str:
            return text[: driver.start] + "tcp" + text[driver.start + 3 :]

        return repair
    return _set(driver, option, 'transport("tcp")')


def template(driver: Word) -> Repair:
    """Lets a destination write what the mask has given."""
    if driver.text == "http":
        return _set(driver, driver.get("body"), _DOCUMENT)
    return _set(driver, driver.get("template"), _FORWARD)


def _set(owner: Word, option: Word | None, value: str) -> Repair:
    def repair(text: str) -> str:
        if option is not None:
            return text[: option.start] + value + text[option.end :]
        if owner.inside < 0:
            return text
        end = owner.end - 1
        start = text.rfind("\n", 0, end) + 1
        if not text[start:end].strip():  # the closing parenthesis has a line of its own
            above = text[: start - 1].rsplit("\n", 1)[-1]
            indent = re.match(r"\s*", above)
            return f"{text[:start]}{indent.group() if indent else ''}{value}\n{text[start:]}"
        return f"{text[:end]} {value}{text[end:]}"

    return repair
