"""Names of persons in Japanese: by Sudachi's parts of speech, and by honorifics and labels.

Sudachi's dictionary knows surnames (名詞,固有名詞,人名,姓) and given names (名). Neighbours make one
name, also with a space or a middle dot between them; 様 and さん stay outside. The dictionary is
read from the installed package `sudachidict_core`, the extra `[ja]`; nothing is downloaded.
Without it a name is what stands before 様, さん, 氏, 殿 or behind 氏名: and its like.

Limits: a given name alone counts only before an honorific or behind a label; a surname alone that
is a place or a company too is what the dictionary takes it for. Names in kana that the dictionary
does not know are found by honorifics and labels only.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

from agenttrail.recognizers._base import TextRecognizer

_JAPANESE = re.compile("[ぁ-ゖァ-ヺ\u4e00-\u9fff々]")
# Runs of Japanese script; Sudachi takes 49,149 bytes at once.
_STRETCH = re.compile("[ぁ-ゖァ-ヺー\u4e00-\u9fff々〆ヵヶ・ \u3000]{2,2000}")
_MOST_KNOWN = 2_000
_BETWEEN = frozenset(" \u3000・=＝")
_HONORIFIC = re.compile("様|さん|さま|氏|殿|君|くん|ちゃん|先生|御中")
# What stands behind a name in a form: the label of the next field.
_NEXT = "(?!住所|電話|連絡先|携帯|会社|部署|番号|年齢|性別|生年|所属|役職|様|殿|宛|郵便|メール)"
_WORD = (
    "[\u4e00-\u9fff々ヶ]{1,4}(?:[ \u3000]"
    + _NEXT
    + ")?[\u4e00-\u9fff々ヶぁ-ゖ]{0,4}|[ァ-ヺー]{2,10}(?:[ ・\u3000][ァ-ヺー]{2,10})?"
)
_LABEL = re.compile(
    rf"(?:氏名|お名前|(?<![\u4e00-\u9fffァ-ヺ])名前|宛名|担当者?|顧客名|患者名|受取人|差出人|フリガナ|ふりがな|カナ)\s?[:：=]\s?({_WORD}|[ぁ-ゖー]{{2,10}}(?:[ \u3000][ぁ-ゖー]{{2,10}})?)"
)
_BEFORE_HONORIFIC = re.compile(
    "(?<![\u4e00-\u9fff々ヶァ-ヺー])(?P<name>[\u4e00-\u9fff々ヶ]{2,5}|[\u4e00-\u9fff々ヶ]{1,4}[ \u3000][\u4e00-\u9fff々ヶ]{1,4}|[ァ-ヺー]{2,10}(?:[・ ][ァ-ヺー]{2,10})?)"
    "[ \u3000]?(?:様(?!々|子|式|相|態)|さん(?![ぁ-ゖ]?[かぽ])|さま|氏(?!名)|殿(?!下))"
)
# What honorifics are put to that are nobody's names, and words that end in 様.
_NOBODY = frozenset(
    [
        "客",
        "皆",
        "皆々",
        "奥",
        "旦那",
        "神",
        "仏",
        "王",
        "お客",
        "業者",
        "各位",
        "両",
        "同",
        "彼",
        "某",
        "社長",
        "部長",
        "課長",
        "店長",
        "先輩",
        "患者",
        "医者",
        "学生",
        "店員",
        "会社",
        "本屋",
        "花屋",
        "担当者",
        "担当",
        "仕",
        "同",
        "多",
        "模",
        "異",
        "有",
        "一",
        "外",
        "両",
        "別",
        "文",
        "今",
        "斯",
        "新仕",
        "要求仕",
        "設計仕",
        "利用者",
        "使用者",
        "管理者",
        "会員",
        "得意先",
        "取引先",
        "貴社",
        "御社",
        "弊社",
        "ユーザー",
    ]
)


class JapaneseNameRecognizer(TextRecognizer):
    """PERSON in kanji and kana, without honorific.

    Score 0.85 for surname and given name, 0.8 with an honorific or a label, 0.6 for a surname
    alone. Cost: 20 us for a short sentence, 80 MB for the dictionary; nothing without Japanese.
    """

    ENTITY = "PERSON"
    BEYOND_ASCII = True

    def load(self) -> None:
        """Nothing yet: the dictionary comes with the first text in Japanese."""
        self._known: dict[str, list[tuple[int, int, float]]] = {}

    @cached_property
    def _tokenizer(self) -> Any:
        if importlib.util.find_spec("sudachipy") and importlib.util.find_spec("sudachidict_core"):
            sudachi: Any = importlib.import_module("sudachipy")
            return sudachi.Dictionary(dict="core").tokenizer(sudachi.SplitMode.C)
        return None

    def spans(self, text: str) -> Iterable[tuple[int, int, float]]:
        first = None if text.isascii() else _JAPANESE.search(text)
        if first is None:
            return []
        return [*_by_words(text, max(0, first.start() - 12)), *self._by_dictionary(text)]

    def _by_dictionary(self, text: str) -> Iterator[tuple[int, int, float]]:
        if self._tokenizer is None:
            return
        for stretch in _STRETCH.finditer(text):
            if _JAPANESE.search(stretch.group()) is None:
                continue
            known = self._known.get(stretch.group())
            if known is None:
                if len(self._known) >= _MOST_KNOWN:
                    self._known.clear()
                known = list(_names(list(self._tokenizer.tokenize(stretch.group()))))
                self._known[stretch.group()] = known
            for start, end, score in known:
                yield stretch.start() + start, stretch.start() + end, score


def _by_words(text: str, at: int) -> Iterator[tuple[int, int, float]]:
    for match in _LABEL.finditer(text, at):
        yield match.start(1), match.start(1) + len(match.group(1).rstrip()), 0.8
    for match in _BEFORE_HONORIFIC.finditer(text, at):
        name = match.group("name")
        if name not in _NOBODY and not any(
            name.endswith(word) for word in ("客", "者", "員", "屋", "社", "長")
        ):
            yield match.start("name"), match.end("name"), 0.6


def _names(tokens: list[Any]) -> Iterator[tuple[int, int, float]]:
    """Names among tokens: neighbours with a part of speech of names made one."""
    at = 0
    while at < len(tokens):
        if _part(tokens[at]) is None:
            at += 1
            continue
        parts = [_part(tokens[at])]
        first, last = at, at
        ahead = at + 1
        while ahead < len(tokens):
            part = _part(tokens[ahead])
            if part is not None and not (part == "姓" and parts[-1] == "名"):
                parts.append(part)
                last = ahead
                ahead += 1
            elif (
                tokens[ahead].surface() in _BETWEEN
                and ahead + 1 < len(tokens)
                and _part(tokens[ahead + 1]) is not None
                and not (_part(tokens[ahead + 1]) == "姓" and parts[-1] != "姓")
            ):
                ahead += 1
            else:
                break
        honoured = False
        for token in tokens[last + 1 : last + 3]:
            if not token.surface().isspace():
                honoured = _HONORIFIC.match(token.surface()) is not None
                break
        start, end = tokens[first].begin(), tokens[last].end()
        if len(parts) > 1:
            yield start, end, 0.85
        elif honoured:
            yield start, end, 0.8
        elif parts[0] == "姓" and end - start > 1:
            yield start, end, 0.6
        at = last + 1


def _part(token: Any) -> str | None:
    """姓, 名 or 一般 of a token that is part of a person's name, else None."""
    speech = token.part_of_speech()
    if speech[2] == "人名" and any(map(str.isalpha, token.surface())):
        return str(speech[3])
    return None
