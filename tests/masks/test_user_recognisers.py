"""A user's own Presidio recognisers in every profile: from YAML and as a class, fast path and slow."""

from __future__ import annotations

from pathlib import Path

import pytest

from agenttrail import config
from agenttrail import fields as f
from agenttrail.errors import OptionError
from agenttrail.masks._analyse import Analyzer
from agenttrail.masks._fast import FastRecognisers
from agenttrail.masks._user import load_recognisers
from agenttrail.masks.presidio import PresidioMask, PresidioOptions
from tests.masks._differential import differences, stock_engine
from tests.masks.conftest import event

YAML = r"""
recognizers:
  - name: EmployeeIds
    supported_entity: EMPLOYEE_ID
    patterns:
      - {name: badge, regex: '\bEMP-\d{5}\b', score: 0.8}
  - name: Projects
    supported_entity: PROJECT
    deny_list: [BlueHeron, night owl]
  - name: Members
    supported_entity: MEMBER_ID
    patterns:
      - {name: weak, regex: '\bM\d{4}\b', score: 0.1}
    context: [member, membership]
  # A repeated group inside of a look ahead: no prefilter can know where this may match.
  - name: Twins
    supported_entity: TWIN_CODE
    patterns:
      - {name: twin, regex: '(?<![a-z])(?=(x?)y(?i:q)+\1)[xyq]{3,9}(?-i:Z)', score: 0.9}
  - name: Callers
    supported_entity: PERSON
    deny_list: [JSmith2, mkTanaka]
"""
CODE = '''
from presidio_analyzer import EntityRecognizer, Pattern, PatternRecognizer, RecognizerResult


class Ships(PatternRecognizer):
    """A recogniser with a check of its own: the last digit is the sum of the others."""

    def __init__(self):
        super().__init__("SHIP_NUMBER", name="Ships", patterns=[Pattern("ship", r"\\bS\\d{4}\\b", 0.5)])

    def validate_result(self, pattern_text):
        digits = [int(c) for c in pattern_text[1:]]
        return sum(digits[:-1]) % 10 == digits[-1]


class Loud(EntityRecognizer):
    """A recogniser with an analyze of its own."""

    def __init__(self):
        super().__init__(supported_entities=["SHOUT"], name="Loud")

    def load(self):
        pass

    def analyze(self, text, entities, nlp_artifacts=None):
        at = text.find("HEY!")
        return [RecognizerResult("SHOUT", at, at + 4, 0.9)] if at >= 0 else []


class Angry(Loud):
    """Raises on one text."""

    def __init__(self):
        EntityRecognizer.__init__(self, supported_entities=["SHOUT"], name="Angry")

    def analyze(self, text, entities, nlp_artifacts=None):
        if "zebra-4815" in text:
            raise ValueError(text)
        return []


class NoRecogniser:
    pass


class Foreign(Loud):
    def __init__(self):
        EntityRecognizer.__init__(self, supported_entities=["SHOUT"], name="Foreign", supported_language="de")
'''  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("own")
    (folder / "own.yaml").write_text(YAML, encoding="utf-8")
    (folder / "own.py").write_text(CODE, encoding="utf-8")
    return str(folder / "own.yaml"), str(folder / "own.py")


@pytest.fixture(scope="module", params=["stock", "balanced", "fast"])
def own(request: pytest.FixtureRequest, files: tuple[str, str]) -> PresidioMask:
    yaml, code = files
    names = (yaml, f"{code}:Ships", f"{code}:Loud", f"{code}:Angry")
    # stock takes S1235 for a driving licence.
    return PresidioOptions(
        profile=request.param,
        recognizers=names,
        exclude_entities=("US_DRIVER_LICENSE", "DATE_TIME", "LOCATION", "NRP"),
    ).one()


@pytest.mark.parametrize(
    "text, expected",
    [
        ("badge EMP-12345 opened", "badge <EMPLOYEE_ID> opened"),
        ("badge EMP-1234 opened", "badge EMP-1234 opened"),
        ("about blueheron and Night Owl", "about <PROJECT> and <PROJECT>"),
        ("code yqqZ here", "code <TWIN_CODE> here"),
        ("ship S1236 left", "ship <SHIP_NUMBER> left"),
        ("ship S1235 left", "ship S1235 left"),
        ("he said HEY! to us", "he said <SHOUT> to us"),
        # written as no person's name is, but its owner wants it
        ("from jsmith2 today", "from <PERSON> today"),
        ("mail bob@example.com of EMP-12345", "mail <EMAIL_ADDRESS> of <EMPLOYEE_ID>"),
    ],
)
def test_what_a_user_wants_is_found_in_every_profile(own, text, expected):
    assert own.trace([text])[0].masked == expected


def test_context_words_count_where_a_model_reads(files):
    """Presidio raises a score by words before; without its model, as in `fast`, it has none."""
    masks = {p: PresidioOptions(profile=p, recognizers=(files[0],)).one() for p in ("balanced", "fast")}  # fmt: skip
    said = {p: m.trace(["the membership card is M1234 here"])[0].masked for p, m in masks.items()}
    assert "<MEMBER_ID>" in said["balanced"]
    assert "M1234" in said["fast"]


def test_a_users_recogniser_that_raises_drops_the_content_and_says_nothing(own):
    """Fail closed as for ours: the envelope goes on, with the class of the failure."""
    (failed,) = own([event({f.MESSAGE: "a zebra-4815 runs"})])
    assert failed.failed
    assert failed.fields[f.PII_ERROR] == "ValueError"
    assert b"zebra" not in failed.line


def test_findings_are_those_of_presidio_with_the_same_recognisers(files):
    """Fast path and slow: type, place, score and order, on texts that nearly match."""
    names = (files[0], f"{files[1]}:Ships", f"{files[1]}:Loud")
    made = load_recognisers(names, "en", ())
    stock = stock_engine(model=False, recognisers=made)
    recognisers = FastRecognisers(stock.registry.get_recognizers("en", all_fields=True))
    assert {r.name for _, r in recognisers.plain} == {"Loud"}
    fast = Analyzer(stock, "en", threshold=None, recognisers=recognisers)
    pieces = (
        "EMP-12345",
        "emp-1",
        "xyqxZ",
        "yqZ",
        "YQQZ",
        "M1234",
        "S1236",
        "HEY!",
        "night owl",
        "é",
        " ",
        "๑",
    )
    texts = [f"{a}{gap}{b}{gap}{a}" for a in pieces for b in pieces for gap in (" ", "")]
    assert list(differences(stock, fast, texts)) == []
    assert any(stock.analyze(text, "en") for text in texts)


def test_a_kind_of_a_users_own_has_its_operator_and_its_marker(files):
    options = PresidioOptions(profile="fast", recognizers=(files[0],), entities=("EMPLOYEE_ID",))
    mask = options.one()
    (once,) = mask([event({f.MESSAGE: "EMP-12345 and night owl"})])
    assert once.fields[f.MESSAGE] == "<EMPLOYEE_ID> and night owl"
    assert mask([event(once.fields)])[0] == once


def test_the_pipeline_file_names_them(files, tmp_path: Path):
    path = tmp_path / "pipeline.yaml"
    path.write_text(
        f"sources: [{{type: stdin}}]\nmask: {{type: presidio, recognizers: [{files[0]}]}}\n"
        f"sinks: [{{type: jsonl, path: {tmp_path / 'out.jsonl'}}}]\n",
        encoding="utf-8",
    )
    assert config.load(path).mask.recognizers == (files[0],)


@pytest.mark.parametrize(
    "content, said",
    [
        (None, "cannot be read"),
        ("a: [", "is no YAML"),
        ("recognizers: {}", "has no list under recognizers"),
        ("- 1", "has no list under recognizers"),
        ("recognizers: [1]", "recogniser 1: not a mapping"),
        ("recognizers: [{name: a, supported_entity: B}]", "recogniser 1: ValueError"),
        ("recognizers: [{name: a, supported_entity: B, colour: 1, deny_list: [x]}]", "recogniser 1: TypeError"),
        ("recognizers: [{name: a, supported_entity: B, patterns: [{name: p, regex: '(', score: 1}]}]", "recogniser 1: ValueError"),
        ("recognizers: [{name: a, supported_entity: b c, deny_list: [x]}]", "a kind is written in capitals"),
        ("recognizers: [{name: a, supported_entity: B, supported_language: de, deny_list: [x]}]", "is for another language"),
        ("recognizers: [{name: EmailRecognizer, supported_entity: B, deny_list: [x]}]", "there is a recogniser EmailRecognizer already"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_told_before_anything_is_read(tmp_path, content, said):
    path = tmp_path / "own.yaml"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(OptionError) as caught:
        PresidioOptions(profile="fast", recognizers=(str(path),)).one()
    assert caught.value.option == "recognizers"
    assert said in caught.value.reason


@pytest.mark.parametrize(
    "spec, said",
    [
        ("rules.txt", "names no recogniser"),
        ("no_such_module:Thing", "cannot be made: ModuleNotFoundError"),
        ("json:Nothing", "cannot be made: AttributeError"),
        ("{code}:NoRecogniser", "is no Presidio EntityRecognizer"),
        ("{code}:Foreign", "is for another language"),
    ],
)
def test_a_wrong_class_is_told_before_anything_is_read(files, spec, said):
    with pytest.raises(OptionError) as caught:
        PresidioOptions(profile="fast", recognizers=(spec.replace("{code}", files[1]),)).one()
    assert said in caught.value.reason


def test_a_kind_that_is_excluded_by_name_is_not_masked_by_rules_either():
    text = "3314 Harley Brook Lane, bob@example.com"
    mask = PresidioOptions(profile="fast", exclude_entities=("ADDRESS",)).one()
    assert mask.trace([text])[0].masked == "3314 Harley Brook Lane, <EMAIL_ADDRESS>"
