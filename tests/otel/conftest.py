from __future__ import annotations

import pytest

from agenttrail.masking import Masker


@pytest.fixture(scope="session")
def masker() -> Masker:
    return Masker.shared("balanced")


class Broken:
    """A recogniser that fails on texts with poison in them, quoting them."""

    def prose(self, texts):
        if any("poison" in text for text in texts):
            raise RuntimeError(f"cannot read {texts}")
        return iter([()] * len(texts))

    patterns = prose


@pytest.fixture
def broken() -> Masker:
    masker = Masker(profile="fast")
    masker._mask._reader._detector = Broken()
    return masker
