"""Phone numbers in one pass: the plans as automata, and phonenumbers' own matcher beside them."""

from __future__ import annotations

import random
import re

import phonenumbers
import pytest

from agenttrail.masks._phones import Phones, _plan
from agenttrail.masks._plans import Plan, Plans, UnknownSyntaxError
from tests.masks._differential import fuzz

REGIONS = ("US", "GB", "DE", "FR", "IL", "IN", "CA", "BR", "TH", "JP", "LA")


def test_plans_know_the_numbers_that_their_patterns_match() -> None:
    rng = random.Random(3)
    plans = {r: plan for r in REGIONS if (plan := _plan(phonenumbers, r)) is not None}
    assert len(plans) == len(REGIONS)
    numbers = ["".join(rng.choices("0123456789", k=rng.randint(1, 17))) for _ in range(500)]
    for region in REGIONS:
        for kind in range(11):
            example = phonenumbers.example_number_for_type(region, kind)
            if example is not None:
                national = str(example.national_number)
                numbers += [national, f"0{national}", f"{example.country_code}{national}", f"00{example.country_code}{national}"]  # fmt: skip
    patterns = {region: re.compile(plan.pattern()).fullmatch for region, plan in plans.items()}
    known = Plans(plans).knowing
    for number in numbers:
        assert known(number) == {r for r, matches in patterns.items() if matches(number)}, number


@pytest.mark.parametrize("pattern", [r"(?=1)\d", r"(?i:1)", "[^1]", "^1", r"(1)\1"])
def test_a_plan_of_unknown_syntax_is_refused(pattern: str) -> None:
    with pytest.raises(UnknownSyntaxError):
        Plans({"XX": Plan(pattern)})


@pytest.mark.parametrize("regions", [("US", "GB", "DE"), ("BR", "JP", "AR"), REGIONS])
def test_one_pass_finds_what_the_matcher_finds_a_region_at_a_time(regions: tuple[str, ...]) -> None:
    phones = Phones(regions)
    for text in fuzz(20_261_125, 1_500):
        if text.isascii():
            assert sorted(phones.find(text)) == sorted(phones.find_slowly(text)), text


def test_without_bare_numbers_a_run_of_digits_is_no_phone() -> None:
    phones = Phones(REGIONS, bare=False, is_exact=False)
    assert phones.find("2125550123 and 0812345678") == []
    text = "(212) 555-0123, +66 81 234 5678"
    assert [text[a:b] for a, b in phones.find(text)] == ["(212) 555-0123", "+66 81 234 5678"]
