"""Presidio recognisers for Thai, Japanese, Lao and secrets, of use without agenttrail too.

    from presidio_analyzer import AnalyzerEngine
    from agenttrail import recognizers

    analyzer = AnalyzerEngine()
    for recognizer in recognizers.all_recognizers("th", "secrets"):
        analyzer.registry.add_recognizer(recognizer)

All are plain subclasses of `PatternRecognizer` and `LocalRecognizer`. They look at the text alone,
whatever language they are registered under, so one registry finds Thai, Japanese and Lao in one
string. Nothing is downloaded; names use what the extras `[th]` and `[ja]` installed.
"""

from __future__ import annotations

import importlib
from typing import Any

# Group to module and class; the groups are ISO 639-1 codes and "secrets".
_GROUPS: dict[str, tuple[tuple[str, str], ...]] = {
    "th": (
        ("thai", "ThaiNationalIdRecognizer"),
        ("thai", "ThaiTaxIdRecognizer"),
        ("thai", "ThaiPhoneRecognizer"),
        ("thai", "ThaiPassportRecognizer"),
        ("thai", "ThaiBankAccountRecognizer"),
        ("thai", "ThaiAddressRecognizer"),
        ("thai_names", "ThaiNameRecognizer"),
    ),
    "ja": (
        ("japanese", "JapaneseMyNumberRecognizer"),
        ("japanese", "JapaneseCorporateNumberRecognizer"),
        ("japanese", "JapanesePhoneRecognizer"),
        ("japanese", "JapaneseLicenceRecognizer"),
        ("japanese", "JapanesePassportRecognizer"),
        ("japanese", "JapaneseBankAccountRecognizer"),
        ("japanese", "JapaneseAddressRecognizer"),
        ("japanese_names", "JapaneseNameRecognizer"),
    ),
    "lo": (
        ("lao", "LaoPhoneRecognizer"),
        ("lao", "LaoAddressRecognizer"),
        ("lao", "LaoNameRecognizer"),
    ),
    "secrets": (
        ("secrets", "TokenRecognizer"),
        ("secrets", "PrivateKeyRecognizer"),
        ("secrets", "WebhookRecognizer"),
        ("secrets", "AssignedSecretRecognizer"),
    ),
}
GROUPS = tuple(_GROUPS)


def all_recognizers(*groups: str, language: str = "en") -> list[Any]:
    """New recognisers of these groups, or of all.

    Args:
        groups: of `GROUPS`.
        language: the code that they are registered under; what they find is the same for each.

    Raises:
        KeyError: there is no such group.
    """
    return [
        getattr(importlib.import_module(f"{__name__}.{module}"), name)(supported_language=language)
        for group in groups or GROUPS
        for module, name in _GROUPS[group]
    ]


def registry(*groups: str, language: str = "en") -> Any:
    """A `RecognizerRegistry` that holds nothing but these groups' recognisers."""
    from presidio_analyzer import RecognizerRegistry

    return RecognizerRegistry(
        recognizers=all_recognizers(*groups, language=language), supported_languages=[language]
    )
