"""The texts under doctor's hands: edits that touch one value, and input that is none."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agenttrail import doctor
from agenttrail.doctor import _syslog_ng_text as syslog_ng_text
from agenttrail.doctor import _toml, _yaml
from agenttrail.doctor._files import KINDS
from agenttrail.doctor._finding import Asked, ConfigFile
from agenttrail.doctor._fluent_text import meet
from agenttrail.doctor._logstash_text import parse
from agenttrail.doctor._rsyslog_text import statements, walk
from agenttrail.errors import ConfigError
from tests.doctor._samples import OPEN, SOUND, kind_of, load

YAML = """\
# head
a:   # one
  b: {x: 1, y: [1, 'two, three']}  # flow
  c:   # empty
  d:
    - p   # item
    - name: q
      z: "2 # no comment"
  e: ''
  f: {}
g: [one, two]
"""


@pytest.mark.parametrize(
    "path, value, line, becomes",
    [
        (["a", "b", "x"], "5", 3, "  b: {x: 5, y: [1, 'two, three']}  # flow"),
        (["a", "b", "new"], "5", 3, "  b: {new: 5, x: 1, y: [1, 'two, three']}  # flow"),
        (["a", "b", "n", "m"], "5", 3, "  b: {n: {m: 5}, x: 1, y: [1, 'two, three']}  # flow"),
        (["a", "b", "y"], "[]", 3, "  b: {x: 1, y: []}  # flow"),
        (["a", "c", "k"], "1", 5, "    k: 1"),
        (["a", "d", 1, "z"], "3", 8, "      z: 3"),
        (["a", "d", 1, "new"], "3", 8, "      new: 3"),
        (["a", "e"], "x", 9, "  e: x"),
        (["a", "f", "k"], "1", 11, "    k: 1"),
        (["h", "i"], "1", 12, "h:"),
        (["g"], "[three]", 11, "g: [three]"),
    ],
)  # fmt: skip
def test_one_value_of_yaml_is_set_and_no_other_line_changes(
    path: list[str | int], value: str, line: int, becomes: str
) -> None:
    change = _yaml.Text(YAML)
    change.set(path, value)
    assert change.text.splitlines()[line - 1] == becomes
    rest = [text for text in change.text.splitlines() if text not in YAML.splitlines()]
    assert len(rest) <= 2
    read = _yaml.get(_yaml.read(ConfigFile("", change.text)), *path)
    assert str(read) in (value, "[]", "['three']")


def test_line_ends_of_windows_stay() -> None:
    change = _yaml.Text(YAML.replace("\n", "\r\n"))
    change.set(["a", "new"], "1")
    assert change.text.count("\r\n") == change.text.count("\n") == YAML.count("\n") + 1


def test_a_text_without_a_last_line_break_is_continued_on_its_own_line() -> None:
    change = _yaml.Text("a: 1")
    change.set(["b", "c"], "2")
    assert change.text == "a: 1\nb:\n  c: 2\n"


@pytest.mark.parametrize(
    "text, path",
    [("a: {b: 1,\n  c: 2}\n", ["a", "b", "x"]), ("a: &x {b: 1}\nc: *x\n", ["c"]), ("a: |\n  text\n", ["a"])],
)  # fmt: skip
def test_what_cannot_be_edited_safely_is_refused(text: str, path: list[str]) -> None:
    with pytest.raises(_yaml.CannotEdit):
        _yaml.Text(text).set(path, "1")


TOML = """\
# head
top = 1 # one
[a.b]
x = "1" # not # this
y = [
  "p", # item
  "q",
]
z = '''
[a.c]
'''
[a."c d"]
k.l = 3
"""


@pytest.mark.parametrize(
    "path, value, becomes",
    [
        (("top",), "2", "top = 2 # one"),
        (("a", "b", "x"), '"2"', 'x = "2" # not # this'),
        (("a", "b", "y"), '["r"]', 'y = ["r"]'),
        (("a", "b", "new", "er"), "1", "new.er = 1"),
        (("a", "c d", "k", "l"), "4", "k.l = 4"),
        (("other",), "1", "other = 1"),
    ],
)
def test_one_value_of_toml_is_set(path: tuple[str, ...], value: str, becomes: str) -> None:
    change = _toml.Text(TOML)
    change.set(path, value)
    assert becomes in change.text.splitlines()
    read = change.get(*path)
    assert read == _toml.read(ConfigFile("", f"v = {value}"))["v"]


@pytest.mark.parametrize(
    "one, other, they_meet",
    [("a.*", "a.b", True), ("a.*", "b.*", False), ("*", "", True), ("a*c", "a*b*c", True),
     ("*.log", "kube.*", True), ("a.b", "a.b", True), ("a?", "ab", False), ("x*y", "xz*", True)],
)  # fmt: skip
def test_patterns_of_tags_meet_where_a_tag_fits_both(one: str, other: str, they_meet: bool) -> None:
    assert meet(one, other) is they_meet
    assert meet(other, one) is they_meet


def test_rsyslogs_language_is_read_with_its_corners() -> None:
    text = """\
*.info;mail.none /var/log/messages # a comment
if $msg contains "} then" and not ($programname == "x)") then {
    action(type="omfwd" target="a.example.com" # why (
           port="514")
} else if $msg == "y" then stop
else { call other }
:msg, contains, "a # b" @@b.example.com
& stop
set $.x = "a;b";
"""
    made = list(walk(statements(text)))
    actions = [(s.name, s.line, s.get("target")) for s in made if s.kind == "action"]
    assert actions == [
        ("omfile", 1, ""), ("omfwd", 3, "a.example.com"), ("omfwd", 7, "b.example.com"),
    ]  # fmt: skip
    assert [s.name for s in made if s.kind == "call"] == ["other"]
    assert [s.kind for s in made].count("stop") == 2


def test_logstashs_language_is_read_with_its_corners() -> None:
    text = """\
input { file { path => ["a", 'b'] codec => multiline { pattern => "^}" what => previous } } }
filter {
  if [x] =~ /a{2}"/ or "t" not in [tags] { ruby { code => "x = '}' # no comment" } }
  else if [y] { drop { } } else { mutate { add_field => { "a" => "b" "c" => 3 } } }
}
output { "elasticsearch" { hosts => "h" } }
"""
    document = parse(text, "x")
    named = [(p.section, p.name, p.line, len(p.conditions)) for p in document.plugins]
    assert named == [
        ("input", "file", 1, 0), ("filter", "ruby", 3, 1), ("filter", "drop", 4, 2),
        ("filter", "mutate", 4, 2), ("output", "elasticsearch", 6, 0),
    ]  # fmt: skip
    assert document.plugins[3].values["add_field"] == {"a": "b", "c": "3"}


@pytest.mark.parametrize("path", [*OPEN, *SOUND], ids=lambda p: p.name)
def test_a_file_cut_anywhere_is_told_with_its_line_or_read(path: object) -> None:
    """Never another error, and never what the file holds."""
    file = load(path)  # type: ignore[arg-type]
    module = KINDS[kind_of(path)]  # type: ignore[arg-type]
    for cut in range(0, len(file.text), 97):
        problems: tuple[str, ...] = ()
        try:
            module.examine([ConfigFile(file.path, file.text[:cut])], Asked())
        except ConfigError as error:
            problems = error.problems
        assert all(p.startswith(f"{file.path}:") and len(p) < len(file.path) + 60 for p in problems)


@given(st.sampled_from(sorted(KINDS)), st.text(max_size=200))
@settings(max_examples=150, deadline=None)
def test_any_text_gives_findings_or_our_error(kind: str, text: str) -> None:
    try:
        KINDS[kind].examine([ConfigFile("f.yaml", text)], Asked())
        KINDS[kind].mend([ConfigFile("f.yaml", text)], Asked())
    except ConfigError:
        pass


@pytest.mark.parametrize(
    "text, rules",
    [
        # The older form of YAML: names to settings.
        ("pipeline:\n  inputs:\n    tail: {path: /x}\n  outputs:\n    stdout: {match: '*'}\n", {"bypass"}),
        # YAML reads the name of this output as nothing at all.
        ("pipeline:\n  inputs:\n    - name: tail\n      path: /x\n  outputs:\n    - name: null\n      match: '*'\n", set()),
        # Classic, with a comment in front and no service section.
        ("# mine\n[INPUT]\n    Name tail\n    Path /x\n[OUTPUT]\n    Name es\n    Match *\n", {"bypass"}),
    ],
)  # fmt: skip
def test_rare_forms_of_fluent_bit_are_read(text: str, rules: set[str]) -> None:
    module = KINDS["fluent_bit"]
    file = ConfigFile("f", text)
    assert module.sniff(file)
    found = {f.rule.id.split("-", 1)[1] for f in module.examine([file], Asked())}
    assert found & {"bypass"} == rules
    texts, _ = module.mend([file], Asked())
    if text.startswith("#"):
        assert module.examine([ConfigFile("f", texts["f"])], Asked()) == []
        assert texts["f"].index("[SERVICE]") < texts["f"].index("[INPUT]")


def test_syslog_ngs_language_is_read_with_its_corners() -> None:
    text = """\
@version: 3.38
# destination d_no { network("no"); };
python { class A: x = {"a": {}} };
destination d_yes { network("a;(b" port(1) # why (
    template('${MESSAGE} "x"')); };
log { source(s); if ("${x}" eq "}") { parser(p); } else { flags(final); }; };
"""
    made = syslog_ng_text.parse(text)
    assert [w.text for w in made] == ["python", "destination", "d_yes", "log"]
    (network,) = made[2].brace or []
    assert (network.paren[0].text, network.value("port"), network.line) == ("a;(b", "1", 4)
    assert network.value("template") == '${MESSAGE} "x"'
    assert text[network.start : network.end].endswith('"x"\'))')
    assert [w.text for w in made[3].brace or []] == ["source", "if", "else"]
    assert made[0].code.strip().endswith("{}}")


class _Counted(str):
    """A text that counts the signs that are copied out of it or counted in it."""

    signs = 0

    def __getitem__(self, key: Any) -> str:
        found = super().__getitem__(key)
        type(self).signs += len(found)
        return found

    def count(self, *arguments: Any) -> int:
        type(self).signs += len(self)
        return super().count(*arguments)


@pytest.mark.parametrize(
    "make",
    [lambda n: "filter { if [a] =~ " + " " * n + "/x/ { drop { } } }",
     lambda n: "filter { if " + "[a] == 1 and " * n + "[b] { drop { } } }",
     lambda n: "filter {\n" + "mutate { id => a\n}\n" * n + "}"],
    ids=["spaces", "comparisons", "plugins"],
)  # fmt: skip
def test_logstashs_language_is_read_in_steps_as_many_as_its_signs(make: Any) -> None:
    """Twice the text costs twice the steps, not four times."""
    steps = []
    for size in (200, 400):
        _Counted.signs = 0
        parse(_Counted(make(size)), "p.conf")
        steps.append(_Counted.signs)
    assert steps[1] < 2.2 * steps[0]


def test_no_search_line_by_line_goes_over_the_lines_behind_it() -> None:
    """`^\\s*` reads all blank lines that follow, at each of them again."""
    for path in Path(doctor.__file__).parent.glob("*.py"):
        found = re.search(
            r"\(\?[a-z]*m[a-z]*\)\^(\[\^\\S\\n\][*+])?(-\?)?\\s[*+]", path.read_text()
        )
        assert found is None, path.name
