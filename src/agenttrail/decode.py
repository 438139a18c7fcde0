"""YAML text to frozen dataclasses, or all problems at once with file:line and a hint.

Used for the pipeline file and for the files that people write about their agents (registry, policy,
prices). A component's options are a frozen dataclass with a class attribute `type`, its id; each field
is `Annotated[<type>, "<meaning with unit>"]`. Types: str, int, float, bool, Decimal (every digit
kept), Literal, dict by text, tuple, a dataclass, a union of components, any of these or None.

Scalars may hold `${NAME}` or `${NAME:-default}`, replaced from the environment.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml

from agenttrail.errors import ConfigError, OptionError


def members(union: Any) -> dict[str, type[Any]]:
    """The options classes of a stage folder's union (or of a single class), by component id."""
    classes = get_args(union) or (union,)
    return {str(cls.type): cls for cls in classes}


@dataclass(frozen=True, slots=True)
class Option:
    """One option as documentation shows it."""

    name: str
    type: Any
    meaning: str
    required: bool
    default: Any


def options_of(cls: type[Any]) -> list[Option]:
    """The options of an options class, in their order."""
    hints = typing.get_type_hints(cls, include_extras=True)
    made = []
    for each in dataclasses.fields(cls):
        if not each.init:
            continue
        hint = hints[each.name]
        meaning = hint.__metadata__[0] if get_origin(hint) is Annotated else ""
        required = (
            each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING
        )
        default = (
            each.default_factory()
            if each.default_factory is not dataclasses.MISSING
            else each.default
        )
        made.append(Option(each.name, bare(hint), meaning, required, default))
    return made


def read(path: str, cls: type[Any], environment: Mapping[str, str] | None = None) -> Any:
    """An instance of the class `cls` from a YAML file.

    Raises:
        ConfigError: everything that is wrong with it, at once.
    """
    return decode(text_of(path), path, cls, environment)


def text_of(path: str) -> str:
    """The text of a file that a person wrote.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError:
        raise ConfigError([f"{path}: is not UTF-8 text"]) from None


def decode(
    text: str, path: str, cls: type[Any], environment: Mapping[str, str] | None = None
) -> Any:
    """An instance of the options class `cls` from YAML text.

    Raises:
        ConfigError: everything that is wrong, at once.
    """
    decoder = _Decoder(path, os.environ if environment is None else environment)
    node = _composed(text, path, cls)
    value = decoder.value(node, cls, "")
    if decoder.problems:
        raise ConfigError(decoder.problems)
    return value


def _composed(text: str, path: str, cls: type[Any]) -> yaml.Node:
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise ConfigError([f"{path}:{line}: not YAML: {error.problem or error.context}"]) from None
    except yaml.YAMLError as error:
        raise ConfigError([f"{path}:1: not YAML: {type(error).__name__}"]) from None
    if node is None:
        name = getattr(cls, "explained_as", "pipeline")
        raise ConfigError([f"{path}:1: the file is empty\n  try: agenttrail explain {name}"])
    return node


@dataclass(slots=True)
class Document:
    """A file as far as it could be read, for checks that look across it.

    `value` is None where nothing could be read. `problem` adds what a check found, `place` says where
    a part stands.
    """

    path: str
    value: Any
    problems: list[str] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)  # where in the file -> line
    places: dict[int, str] = field(default_factory=dict)  # id of an options object -> where

    def place(self, part: Any, option: str = "") -> str:
        """`file:line` of an options object of this document, or of one of its options."""
        return f"{self.path}:{self._found(part, option)[1]}"

    def problem(self, part: Any, option: str, text: str, *hints: str) -> None:
        """Notes a problem of `part`'s `option` ("" for the part itself; "tools[1]" for an item)."""
        where, line = self._found(part, option)
        self.problems.append(_problem(self.path, line, where, text, hints))

    def _found(self, part: Any, option: str) -> tuple[str, int]:
        base = self.places.get(id(part), "")
        where = f"{base}.{option}" if base and option else base or option
        near = where
        while near and near not in self.lines:
            near = near[: max(near.rfind("."), near.rfind("["), 0)]
        return where, self.lines.get(near, 1)


def document(
    text: str, path: str, cls: type[Any], environment: Mapping[str, str] | None = None
) -> Document:
    """What can be read of YAML text as options of `cls`, and all its problems.

    A broken part that is not needed is left out, so that the rest can be looked at too.
    """
    decoder = _Decoder(path, os.environ if environment is None else environment, lenient=True)
    try:
        node = _composed(text, path, cls)
    except ConfigError as error:
        return Document(path, None, list(error.problems))
    value = decoder.value(node, cls, "")
    return Document(
        path, None if value is _BROKEN else value, decoder.problems, decoder.lines, decoder.places
    )


def _problem(path: str, line: int, where: str, text: str, hints: Iterable[str]) -> str:
    prefix = f"{where}: " if where else ""
    lines = [f"{path}:{line}: {prefix}{text}", *(hint for hint in hints if hint)]
    return "\n  ".join(lines)


_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_INDEX = re.compile(r"\[[^\]]*\]")
_BROKEN = object()  # stands for a value whose problem is already noted


class _Decoder:
    """Walks a YAML node tree beside a type, noting every problem and going on."""

    def __init__(self, path: str, environment: Mapping[str, str], *, lenient: bool = False) -> None:
        self.path = path
        self.environment = environment
        self.problems: list[str] = []
        self.open: set[int] = set()
        self.lenient = lenient
        self.lines: dict[str, int] = {}
        self.places: dict[int, str] = {}

    def problem(self, node: yaml.Node, where: str, text: str, *hints: str) -> Any:
        line = node.start_mark.line + 1
        self.problems.append(_problem(self.path, line, where, text, hints))
        return _BROKEN

    def value(self, node: yaml.Node, hint: Any, where: str) -> Any:
        if id(node) in self.open:
            return self.problem(node, where, "an anchor that contains itself")
        self.open.add(id(node))
        self.lines[where] = node.start_mark.line + 1
        try:
            return self._value(node, bare(hint), where)
        finally:
            self.open.discard(id(node))

    def _value(self, node: yaml.Node, hint: Any, where: str) -> Any:
        origin = get_origin(hint)
        if origin in (Union, types.UnionType):
            choices = [c for c in get_args(hint) if c is not type(None)]
            if len(choices) < len(get_args(hint)) and node.tag.endswith(":null"):
                return None
            if len(choices) == 1:
                return self._value(node, bare(choices[0]), where)
            if all(dataclasses.is_dataclass(c) for c in choices):
                return self.component(node, {str(c.type): c for c in choices}, where)
            return self.scalar(node, tuple(choices), where)
        if dataclasses.is_dataclass(hint):
            cls = typing.cast(type[Any], hint)
            if isinstance(getattr(cls, "type", None), str):
                return self.component(node, {cls.type: cls}, where)
            return self.options(node, cls, where)
        if origin is tuple:
            if not isinstance(node, yaml.SequenceNode):
                return self.problem(node, where, f"a list is needed, not {_kind(node)}", "write: [value]")  # fmt: skip
            items = [
                self.value(n, get_args(hint)[0], f"{where}[{i}]") for i, n in enumerate(node.value)
            ]
            if self.lenient:
                return tuple(item for item in items if item is not _BROKEN)
            return _BROKEN if any(item is _BROKEN for item in items) else tuple(items)
        if origin is dict:
            if not isinstance(node, yaml.MappingNode):
                return self.problem(node, where, f"a mapping is needed, not {_kind(node)}")
            item = get_args(hint)[1]
            # A component in a mapping has its role of the mapping: operators[PERSON] is an operator.
            place = "{}[{}]" if _is_component(item) else "{}.{}"
            made = {
                key: self.value(n, item, place.format(where, key))
                for key, n in self.pairs(node, where)
            }
            if self.lenient:
                return {key: value for key, value in made.items() if value is not _BROKEN}
            return _BROKEN if any(value is _BROKEN for value in made.values()) else made
        if origin is Literal:
            value = self.scalar(node, (str,), where)
            if value is not _BROKEN and value not in get_args(hint):
                return self.unknown(node, where, f"'{value}' is not one of its values", value, get_args(hint))  # fmt: skip
            return value
        return self.scalar(node, (hint,), where)

    def pairs(self, node: yaml.MappingNode, where: str) -> Iterator[tuple[str, yaml.Node]]:
        seen = set()
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self.problem(key_node, where, "a key must be a word")
            elif key_node.value in seen:
                self.problem(key_node, where, f"'{key_node.value}' is given twice")
            else:
                seen.add(key_node.value)
                yield str(key_node.value), value_node

    def component(self, node: yaml.Node, known: Mapping[str, type[Any]], where: str) -> Any:
        """A tagged mapping `{type: id, …}`, or the id alone where all options have defaults."""
        role = _INDEX.sub("", where).rsplit(".", 1)[-1].removesuffix("s")
        if isinstance(node, yaml.ScalarNode) and not node.tag.endswith(":null"):
            name, named, rest = node.value, node, []
        elif isinstance(node, yaml.MappingNode):
            found = [(k, v) for k, v in node.value if getattr(k, "value", None) == "type"]
            if not found:
                return self.problem(node, where, "needs a type", f"known: {', '.join(known)}")
            named = found[0][1]
            name = getattr(named, "value", "")
            rest = [pair for pair in node.value if pair[0] is not found[0][0]]
        else:
            return self.problem(node, where, f"a {role} is a mapping with a type, not {_kind(node)}")  # fmt: skip
        if name not in known:
            place = where if named is node else f"{where}.type"
            return self.unknown(named, place, f"no {role} is called '{name}'", name, tuple(known))
        inner = yaml.MappingNode("tag:yaml.org,2002:map", rest, node.start_mark, node.end_mark)
        return self.options(inner, known[name], where)

    def options(self, node: yaml.Node, cls: type[Any], where: str) -> Any:
        if not isinstance(node, yaml.MappingNode):
            return self.problem(node, where, f"a mapping is needed, not {_kind(node)}")
        known = {option.name: option for option in options_of(cls)}
        given: dict[str, Any] = {}
        places: dict[str, yaml.Node] = {}
        for key, value_node in self.pairs(node, where):
            place = f"{where}.{key}" if where else key
            if key not in known:
                self.unknown(value_node, place, "no such option", key, tuple(known))
                continue
            places[key] = value_node
            given[key] = self.value(value_node, known[key].type, place)
        for name, option in known.items():
            if option.required and name not in places:
                self.problem(node, where, f"'{name}' is missing", f"{name}: {option.meaning}")
                given[name] = _BROKEN
        if self.lenient:
            given = {n: v for n, v in given.items() if v is not _BROKEN or known[n].required}
        if any(value is _BROKEN for value in given.values()):
            return _BROKEN
        try:
            made = cls(**given)
            self.places[id(made)] = where
            if "line" in (each.name for each in dataclasses.fields(cls) if not each.init):
                object.__setattr__(made, "line", node.start_mark.line + 1)
            return made
        except OptionError as error:
            place = ".".join(filter(None, (where, error.option)))
            return self.problem(places.get(error.option, node), place, error.reason, error.hint)

    def unknown(self, node: yaml.Node, where: str, text: str, name: str, known: tuple[str, ...]) -> Any:  # fmt: skip
        close = difflib.get_close_matches(str(name), known, n=1)
        return self.problem(
            node, where, text, f"known: {', '.join(sorted(known)) or 'none'}",
            f"did you mean '{close[0]}'?" if close else "",
        )  # fmt: skip

    def scalar(self, node: yaml.Node, kinds: tuple[type[Any], ...], where: str) -> Any:
        if not isinstance(node, yaml.ScalarNode):
            return self.problem(node, where, f"{_names(kinds)} is needed, not {_kind(node)}")
        text, tag = node.value, node.tag.rsplit(":", 1)[-1]
        if "${" in text:
            missing = [m[1] for m in _VARIABLE.finditer(text) if m[2] is None and m[1] not in self.environment]  # fmt: skip
            if missing:
                return self.problem(
                    node, where, f"the environment has no {', '.join(missing)}",
                    "set it, or give a default: ${" + missing[0] + ":-value}",
                )  # fmt: skip
            text = _VARIABLE.sub(lambda m: self.environment.get(m[1], m[2] or ""), text)
            plain = yaml.compose(text, Loader=yaml.SafeLoader) if str not in kinds else None
            tag = plain.tag.rsplit(":", 1)[-1] if plain is not None else "str"
        readers: dict[type[Any], tuple[tuple[str, ...], Callable[[str], Any]]] = {
            str: (("str", "timestamp"), str),
            int: (("int",), lambda t: int(t.replace("_", ""), 0)),
            float: (("int", "float"), lambda t: float(t.replace("_", ""))),
            bool: (("bool",), lambda t: t.lower() in ("true", "yes", "on")),
            Decimal: (("int", "float"), lambda t: Decimal(t.replace("_", ""))),
        }
        for kind in kinds:
            tags, reader = readers[kind]
            if tag in tags:
                try:
                    return reader(text)
                except (ValueError, InvalidOperation):
                    break
        quote = f'write: "{text}"' if str in kinds and tag != "null" else ""
        return self.problem(node, where, f"{_names(kinds)} is needed, not {_kind(node)}", quote)


def _is_component(hint: Any) -> bool:
    choices = get_args(bare(hint)) or (hint,)
    return all(isinstance(getattr(choice, "type", None), str) for choice in choices)


def bare(hint: Any) -> Any:
    """A type without its `Annotated`."""
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def schema(hint: Any) -> dict[str, Any]:
    """The JSON Schema of a type that options may have."""
    hint = bare(hint)
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return {"anyOf": [schema(choice) for choice in get_args(hint)]}
    if dataclasses.is_dataclass(hint):
        cls = typing.cast(type[Any], hint)
        tag = getattr(cls, "type", None)
        tag = tag if isinstance(tag, str) else None
        listed = options_of(cls)
        properties = {o.name: schema(o.type) | {"description": o.meaning} for o in listed}
        required = [o.name for o in listed if o.required]
        if tag:
            properties = {"type": {"const": tag}} | properties
            required = ["type", *required]
        described = {
            "type": "object", "description": (cls.__doc__ or "").split("\n")[0],
            "properties": properties, "required": required, "additionalProperties": False,
        }  # fmt: skip
        return {"anyOf": [{"const": tag}, described]} if tag and required == ["type"] else described
    if origin is tuple:
        return {"type": "array", "items": schema(get_args(hint)[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": schema(get_args(hint)[1])}
    if origin is Literal:
        return {"enum": list(get_args(hint))}
    plain = {
        str: "string",
        int: "integer",
        float: "number",
        bool: "boolean",
        Decimal: "number",
        type(None): "null",
    }
    return {"type": plain[hint]}


def _names(kinds: tuple[type[Any], ...]) -> str:
    words = {
        str: "text",
        int: "a whole number",
        float: "a number",
        bool: "true or false",
        Decimal: "a number",
    }
    return " or ".join(words[kind] for kind in kinds)


def _kind(node: yaml.Node) -> str:
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    words = {"str": "text", "int": "a number", "float": "a number", "bool": "true or false", "null": "nothing", "timestamp": "a date"}  # fmt: skip
    return words.get(node.tag.rsplit(":", 1)[-1], "this")
