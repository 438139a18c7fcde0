"""The smallest change of a Fluent Bit configuration: records to the hop by OTLP, and back by OTLP.

Fluent Bit's OTLP output sends a record as the body of a log record and its OTLP input gives the body
back as the record (fluent-bit-docs 5.1, pipeline/outputs/opentelemetry.md and inputs/).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from agenttrail.doctor._finding import BACK_HTTP, HOP_HTTP, ConfigFile
from agenttrail.doctor._fluent_text import Section, add, drop, is_yaml, meet, put, rename, sections
from agenttrail.doctor._yaml import CannotEdit

_TAG = "agenttrail.masked"


def insert(texts: dict[str, str], outputs: list[Section]) -> list[str]:
    """Changes `texts` in place; gives what could not be done."""
    rules = {(s.get("match"), s.get("match_regex")) for s in outputs}
    if len(rules) > 1:
        lines = ", ".join(f"{s.file}:{s.line}" for s in outputs)
        return [
            f"the outputs at {lines} match different tags; what comes back from one hop has one tag: "
            "give each match an output to the hop and an input of its own"
        ]
    if any(s.get("match") == "" and s.get("match_regex") == "" for s in outputs):
        return ["an output is fed by a route of an input: send that route to the hop by hand"]
    match, regex = next(iter(rules))
    to_hop = {"name": "opentelemetry", "alias": "agenttrail"}
    if match and not meet(match, _TAG):
        to_hop["match"] = match
    elif match:
        to_hop["match_regex"] = _without(match)
    else:
        to_hop["match_regex"] = rf"^(?!agenttrail\.).*(?:{regex})"
    host, port = HOP_HTTP.split(":")
    to_hop |= {"host": host, "port": port, "logs_uri": "/v1/logs", "retry_limit": "no_limits"}
    back_host, back_port = BACK_HTTP.split(":")
    back = {
        "name": "opentelemetry", "alias": "agenttrail_in", "tag": _TAG, "listen": back_host,
        "port": back_port, "storage.type": "filesystem",
    }  # fmt: skip
    main = outputs[0].file
    new = dict(texts)
    try:
        for section in reversed(outputs):
            text = new[section.file]
            new[section.file] = (
                put(text, section, "match", "agenttrail.*")
                if match
                else rename(text, section, "match_regex", "match", "agenttrail.*")
            )
        yaml = not isinstance(outputs[0].path[0], int)
        if yaml:
            to_hop |= {k: f"'{v}'" for k, v in to_hop.items() if k.startswith("match")}
        new[main] = add(new[main], "input", back, yaml=yaml)
        new[main] = add(new[main], "output", to_hop, yaml=yaml)
    except CannotEdit:
        return [f"{main}: it is written in a way that is not edited; add the hop by hand"]
    texts.update(new)
    return []


def _without(match: str) -> str:
    body = "" if match == "*" else ".*".join(map(re.escape, match.split("*"))) + "$"
    return rf"^(?!agenttrail\.){body}"


def setting(section: Section, key: str, value: str) -> Callable[[str], str]:
    """Sets one value of a section."""

    def repair(text: str) -> str:
        try:
            return put(text, section, key, value)
        except CannotEdit:
            return text

    return repair


def without(section: Section, key: str) -> Callable[[str], str]:
    """Takes one value out of a section."""

    def repair(text: str) -> str:
        try:
            return drop(text, section, key)
        except CannotEdit:
            return text

    return repair


def service(section: Section, key: str, value: str) -> Callable[[str], str]:
    """Sets one value of the service section, which is made where there is none."""

    def repair(text: str) -> str:
        there = [s for s in sections(ConfigFile(section.file, text)) if s.kind == "service"]
        try:
            if there:
                return put(text, there[0], key, value)
            return add(text, "service", {key: value}, yaml=is_yaml(ConfigFile(section.file, text)))
        except CannotEdit:
            return text

    return repair
