"""The smallest change of a Vector configuration: its events through the hop and back.

Vector's OTLP encoder wants OTLP's own shape (lib/codecs/src/encoding/format/otlp.rs of 0.58.0; content
type and framing follow from the codec, src/sinks/http/config.rs). So the whole event travels as the
JSON text of one log record's body; the hop masks JSON in a body as values, and the event is parsed
back: what a sink gets has the shape that it had.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agenttrail.doctor import _toml
from agenttrail.doctor._finding import BACK_GRPC, BACK_HTTP, HOP_HTTP
from agenttrail.doctor._yaml import CannotEdit, Key, Text, get

_QUARANTINE = "agenttrail_quarantine"
Groups = dict[tuple[str, ...], list[tuple[str, str]]]


def _out(route: str) -> list[str]:
    mark = [f'.agenttrail_route = "{route}"'] if route else []
    return [
        *mark,
        "line = encode_json(.)",
        'record = {"timeUnixNano": to_unix_timestamp(now(), unit: "nanoseconds"), "body": {"stringValue": line}}',
        '. = {"resourceLogs": [{"resource": {"attributes": []}, "scopeLogs": [{"scope": {"name": "vector"}, "logRecords": [record]}]}]}',
    ]


_BACK = [". = object!(parse_json!(.message))"]


def insert(texts: dict[str, str], groups: Groups) -> list[str]:
    """Changes `texts` in place; gives what could not be done."""
    main = next(iter(texts))
    several = len(groups) > 1
    made: dict[tuple[str, str], dict[str, Any]] = {}
    sinks: dict[tuple[str, str], str] = {}
    outs = []
    for number, (inputs, members) in enumerate(groups.items(), 1):
        suffix = f"_{number}" if several else ""
        out = f"agenttrail_out{suffix}"
        outs.append(out)
        made[("transforms", out)] = _remap(list(inputs), _out(str(number) if several else ""))
        back = "agenttrail_masked"
        if several:
            back = f"agenttrail_back_{number}"
            made[("transforms", back)] = {
                "type": "filter", "inputs": ["agenttrail_masked"],
                "condition": f'.agenttrail_route == "{number}"',
            }  # fmt: skip
        for member in members:
            sinks[member] = back
    made[("sinks", "agenttrail")] = {
        "type": "opentelemetry", "inputs": outs,
        "acknowledgements": {"enabled": True},
        "protocol": {
            "type": "http", "uri": f"http://{HOP_HTTP}/v1/logs", "method": "post",
            "encoding": {"codec": "otlp"},
        },
    }  # fmt: skip
    made[("sources", "agenttrail_in")] = {
        "type": "opentelemetry", "grpc": {"address": BACK_GRPC}, "http": {"address": BACK_HTTP},
    }  # fmt: skip
    made[("transforms", "agenttrail_masked")] = _remap(["agenttrail_in.logs"], _BACK)
    made[("sinks", _QUARANTINE)] = _quarantine([f"{out}.dropped" for out in [*outs, "agenttrail_masked"]])  # fmt: skip
    new = dict(texts)
    try:
        for (path, sink), back in sinks.items():
            new[path] = _inputs(path, new[path], sink, back)
        for (stage, name), settings in made.items():
            new[main] = _add(main, new[main], stage, name, settings)
    except CannotEdit:
        return [f"{main}: it is written in a way that is not edited; send the inputs of {', '.join(s for _, s in sinks)} to the hop by hand"]  # fmt: skip
    texts.update(new)
    return []


def _remap(inputs: list[str], source: list[str]) -> dict[str, Any]:
    return {
        "type": "remap", "inputs": inputs, "drop_on_error": True, "drop_on_abort": True,
        "reroute_dropped": True, "source": source,
    }  # fmt: skip


def _quarantine(inputs: list[str]) -> dict[str, Any]:
    # It holds unmasked events: the folder is Vector's alone.
    return {
        "type": "file", "inputs": inputs, "path": "/var/lib/vector/quarantine/%Y-%m-%d.jsonl",
        "acknowledgements": {"enabled": True}, "encoding": {"codec": "json"},
    }  # fmt: skip


def _inputs(path: str, text: str, sink: str, back: str) -> str:
    if path.endswith(".toml"):
        toml = _toml.Text(text)
        toml.set(("sinks", sink, "inputs"), f'["{back}"]')
        return toml.text
    change = Text(text)
    old = get(change.doc, "sinks", sink, "inputs")
    if isinstance(old, list):
        change.replace_list(("sinks", sink, "inputs"), [f'"{back}"' if path.endswith(".json") else back])  # fmt: skip
    else:
        change.set(("sinks", sink, "inputs"), f"[{back}]")
    return change.text


def _add(path: str, text: str, stage: str, name: str, settings: dict[str, Any]) -> str:
    if path.endswith(".toml"):
        toml = _toml.Text(text)
        toml.add(_tables((stage, name), settings))
        return toml.text
    if path.endswith(".json"):
        raise CannotEdit
    change = Text(text)
    change.set((stage, name), _as_yaml(settings))
    return change.text


def _as_yaml(settings: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            made[key] = _as_yaml(value)
        elif key == "source":
            made[key] = value
        elif isinstance(value, list):
            made[key] = f"[{', '.join(map(_quoted, value))}]"
        else:
            made[key] = str(value).lower() if isinstance(value, bool) else _quoted(value)
    return made


def _quoted(value: Any) -> str:
    text = str(value)
    return f"'{text}'" if any(c in text for c in '"{}[]*%#:,') else text


def _tables(path: tuple[str, ...], settings: dict[str, Any]) -> list[str]:
    lines = [f"[{'.'.join(path)}]"]
    inner: list[str] = []
    for key, value in settings.items():
        if isinstance(value, dict):
            inner += _tables((*path, key), value)
        elif key == "source":
            lines += [f"{key} = '''", *value, "'''"]
        elif isinstance(value, list):
            lines.append(f"{key} = [{_strings(value)}]")
        elif isinstance(value, bool):
            lines.append(f"{key} = {str(value).lower()}")
        else:
            lines.append(f"{key} = '{value}'")
    return lines + inner


def _strings(values: list[str]) -> str:
    return ", ".join(f'"{value}"' for value in values)


def setting(path: tuple[Key, ...], value: str, *, toml: bool) -> Callable[[str], str]:
    """Sets one value, quoted as the file's language wants it."""

    def repair(text: str) -> str:
        change: Any = _toml.Text(text) if toml else Text(text)
        plain = value.strip('"')
        text_value = value
        if toml and not plain.isdigit() and plain not in ("true", "false"):
            text_value = f'"{plain}"'
        try:
            change.set(path, text_value if toml else plain if plain.isalnum() else value)
        except CannotEdit:
            return text
        return str(change.text)

    return repair


def acknowledged(path: tuple[Key, ...], *, toml: bool, plain: bool) -> Callable[[str], str]:
    """Turns acknowledgements on; `plain` where the file says `acknowledgements: false`."""
    where = (*path, "acknowledgements")
    return setting(where if plain else (*where, "enabled"), "true", toml=toml)


def quarantine(output: str, *, toml: bool) -> Callable[[str], str]:
    """A file sink for dropped events, or one more input of the one that is there."""

    def repair(text: str) -> str:
        sink = ("sinks", _QUARANTINE)
        try:
            if toml:
                change = _toml.Text(text)
                inputs = change.get(*sink, "inputs")
                if inputs is None:
                    change.add(_tables(sink, _quarantine([output])))
                else:
                    change.set((*sink, "inputs"), f"[{_strings([*inputs, output])}]")
                return change.text
            yaml = Text(text)
            if get(yaml.doc, *sink) is None:
                yaml.set(sink, _as_yaml(_quarantine([output])))
            else:
                yaml.append((*sink, "inputs"), output)
            return yaml.text
        except CannotEdit:
            return text

    return repair
