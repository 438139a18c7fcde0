"""Names of persons in Thai: behind a title or a label, and by PyThaiNLP's lists of names.

Thai has no spaces between words, but a given name and a family name are put apart by one, and a
list of names, a table or a form puts spaces, commas or line ends around them. What stands behind a
title is therefore a run of Thai letters and, where it begins with no word that follows names, a
second run.

The lists (PyThaiNLP 5.4: 11,843 given and 9,836 family names, Apache-2.0 and CC0) are files of the
package `pythainlp`, the extra `[th]`. They are read as files: nothing of the package runs, nothing
is downloaded. Without it titles and labels still work.

Limits: names that are words too are found behind a title or beside a second name only; of names glued to
the words around them, without a title, only listed given names of six letters and more between words of
the language are found; foreign names without a title are not. A run
behind a title that goes on with other words is cut at the longest name of the lists, or kept whole.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable
from functools import cache, cached_property
from pathlib import Path

from agenttrail.recognizers._base import TextRecognizer

_LETTER = "\u0e01-\u0e3a\u0e40-\u0e4e"
_RUN = re.compile(f"[{_LETTER}]+")
_SPACE = " \u00a0\u200b\ufeff"

# Royal Institute, list of titles and abbreviations: civil, of learning, of ranks.
_RANKS = (
    r"พล\.\s?(?:ร\.|อ\.|ต\.)?\s?(?:ต|ท|อ)\.|พล(?:อากาศ|เรือ|ตำรวจ)(?:ตรี|โท|เอก)|พลทหาร|นาวา(?:อากาศ)?(?:ตรี|โท|เอก)|พล\.?(?:ต|ท|อ)\.?(?:ต|ท|อ)\.|พล\.?(?:ต|ท|อ)\.|พ\.(?:ต|ท|อ)\.(?:ต|ท|อ)\.|พ\.(?:ต|ท|อ)\.|ร\.(?:ต|ท|อ)\.(?:ต|ท|อ)\.|ร\.(?:ต|ท|อ)\."
    r"|ด\.ต\.|จ\.ส\.(?:ต|ท|อ)\.|ส\.(?:ต|ท|อ)\.(?:ต|ท|อ)\.|ส\.(?:ต|ท|อ)\.|น\.(?:ต|ท|อ)\.|พลตำรวจ(?:ตรี|โท|เอก)|พันตำรวจ(?:ตรี|โท|เอก)"
    r"|ร้อยตำรวจ(?:ตรี|โท|เอก)|พล(?:ตรี|โท|เอก)|พัน(?:ตรี|โท|เอก)|ร้อย(?:ตรี|โท|เอก)|จ่าสิบ(?:ตรี|โท|เอก)|สิบ(?:ตรี|โท|เอก)|ดาบตำรวจ"
)
_TITLES = (
    rf"ว่าที่ร้อยตรี|{_RANKS}|(?:ผศ\.|รศ\.|ศ\.)?\s?ดร\.|(?<![ก-ฮ])(?:ผศ\.|รศ\.|ศ\.)|(?<![{_LETTER}])(?:นพ\.|พญ\.)|น\.พ\.|พ\.ญ\.|น\.สพ\.|สพ\.ญ\.|นายแพทย์|แพทย์หญิง|ทพ\.|ทพญ\.|ภก\.|ภญ\."
    r"|นางสาว|น\.ส\.|นส\.|นาง|นาย|ด\.ช\.|ด\.ญ\.|ดช\.|ดญ\.|เด็กชาย|เด็กหญิง|ม\.ร\.ว\.|ม\.ล\.|หม่อมเจ้า|หม่อมหลวง|หม่อมราชวงศ์"
)
# Not titles but ends of words: ทนาย lawyer, เจ้านาย master, มิถุนายน June, ขุนน้ำนางนอน.
_TITLE = re.compile(
    rf"(?:(?<!ท)|(?<=บาท))(?<!เจ้า)(?<!มิถุ)(?<!น้ำ)(?<!เสว)(?<!แม่)(?<!ดอย)(?<![ก-ฮ]\.)(?<!สิบ)(?<!ร้อย)"
    rf"(?:{_TITLES})(?P<gap>\s?)"
)
# Titles behind which nothing but a name stands.
_SURE_TITLE = re.compile(rf"นางสาว|น\.ส\.|เด็ก(?:ชาย|หญิง)|ด\.[ชญ]\.|{_RANKS}")
# Titles that are words or ends of words too: what follows must be a listed name.
_SOFT_TITLE = re.compile(
    "ชื่อ|หลวงพ่อ|หลวงปู่|หลวงพี่|พระครู|พระมหา|พระ|คุณหญิง|คุณ|ครู|น้อง|พี่|ลุง|ป้า|เสี่ย|เฮีย|เจ๊|กำนัน|ผู้ใหญ่|อาจารย์|หมอ|ดีเจ"
)
# What makes another word of a title: employer, prime minister, model, quality, property, ...
_NO_TITLE = re.compile(
    "กฯ|กรัฐ|กสมาคม|กเทศ|กอง|กสภา|กอบจ|กอบต|กเมือง|กองค์|กพุทธ|จ้าง|ทุน|หน้า|อำเภอ|ทหาร|ตำรวจ|ประกัน|ท้าย|ท่า|พราน|สถานี|ทะเบียน|ช่าง|ธนาคาร|"
    "เรือ|แบบ|เอก|งาม|พยาบาล|ฟ้า|รอง|บำเรอ|นวล|เงือก|สนม|ใน|ภาพ|สมบัติ|ค่า|ธรรม|ลักษณะ|วุฒิ|ประโยชน์|แม่|พ่อ|ครู|หมอ|ลุง|ป้า|น้า|อา(?![ก-ฮ])|"
    "ปู่|ย่า|ตา(?![ก-ฮ])|ยาย|ลูกค้า|ผู้|ไสย|งามความดี|สามารถ|จะ|ต้อง|ได้|ไม่|อยาก|มี(?![ก-ฮ]{2})|คือ|เป็น|ก็|และ|หรือ|ที่|แพทย์|นายก|ใด|เหล่า|คนนี้|"
    "วัย|สาธารณสุข|เชี่ยวชาญ|ชาว|ชาย|หญิง|ตรวจ|อยู่|กำลัง|เคย|คิด|รู้|ควร|เอง|ว่า|ทั้ง|ของ"
)
# Words that stand behind a name in running text, and begin no family name.
_AFTER_NAME = re.compile(
    "ครับ|ค่ะ|คะ(?![ก-ฮ])|นะ(?![ก-ฮ])|จ้า(?![ก-ฮ])|ส่วน|กล่าว|เปิดเผย|ระบุ|บอก|ได้|เป็น|ที่|และ|ซึ่ง|จะ|ไม่|ก็|กับ|ใน|ว่า|ให้|ของ|มา(?![ก-ฮ]{2})|ไป|ถูก|พร้อม|ขณะ|แต่|หรือ|โดย|จาก|เพื่อ|คือ|ยัง|เคย|นั้น|นี้|ด้วย|"
    "เข้า|ออก|ต้อง|ตอบ|ถาม|แจ้ง|ยืนยัน|อธิบดี|รอง|อดีต|หัวหน้า|ประธาน|กรรมการ|เลขา|โฆษก|ผู้|นายก|นาย|นาง|น\\.|รมว|รมช|ปลัด|ผอ|ผบ|ผวจ|ส\\.|สมาชิก|นัก|"
    "อายุ|อยู่|บ้านเลข|โทร|เบอร์|อีเมล|รหัส|วันที่|เมื่อ|ตั้งแต่|ทั้ง|ขอ(?![ก-ฮ]{2})|รัฐมนตรี|ผู้ว่า|เจ้าหน้าที่|เจ้าของ|พนักงาน|กรม|กระทรวง|ตำแหน่ง|หลัง|ก่อน|"
    "เห็น|ทำ|รับ|เดินทาง|ชี้|ลั่น|ยอมรับ|เสนอ|สั่ง|เสียชีวิต|บิดา|มารดา|สามี|ภรรยา|บุตร|ลูก|พ่อ|แม่|จึง|โพสต์|ร่วม|นำ(?![ก-ฮ]{2})|ณ$|บริษัท|ทนาย|ครู|ข้าราชการ|"
    "ย้ำ|แสดง|มั่นใจ|แจง|คน|กำนัน|ฯ|แกนนำ|โต้|ปัด|หนุน|ตำบล|อำเภอ|จังหวัด|พ้น$|ต่อ|ใช้|อ้าง|วอน|เชื่อ|แถลง|ลง|ร้อง|เรียก|หนี|พา|ถึง|ปฏิเสธ|มอบ|เพราะ|หาก|ถ้า|คาด|จับ|เผย|สมัย|กำลัง"
)
_LABEL = re.compile(
    r"(?:ชื่อ(?:[-\s]?(?:และ)?\s?(?:นาม)?สกุล|ลูกค้า|ผู้ติดต่อ|ผู้รับ|จริง|เล่น)?|นามสกุล|ผู้รับ|ผู้ส่ง|ลูกค้า|ผู้ติดต่อ|ผู้ป่วย|พนักงาน)\s?[:：=]\s?"
)
_FIELD_END = re.compile(r"[ \t]*(?:[,;|<>()\[\]\"'\r\n/]|โทร|อีเมล|\Z)")
_MAX_RUN = 22
# Letters of the shortest name that is looked for in the midst of others, and signs that begin no word.
_GLUED = 6
_MARKS = frozenset("ะัาำิีึืฺุูๅๆ็่้๊๋์ํ๎")


class ThaiNameRecognizer(TextRecognizer):
    """PERSON in Thai script, without title.

    Score 0.85 for a name of two words that the lists know or behind a title, 0.7 behind a title
    alone, 0.6 where one of two words is a listed name. Cost: nothing for a text without Thai; 0.1 s
    and 16 MB for the lists with the first text in Thai.
    """

    ENTITY = "PERSON"
    BEYOND_ASCII = True

    @cached_property
    def _given(self) -> frozenset[str]:
        return _names("person_names_female_th.txt") | _names("person_names_male_th.txt")

    @cached_property
    def _family(self) -> frozenset[str]:
        return _names("family_names_th.txt")

    @cached_property
    def _words(self) -> frozenset[str]:
        return _names("words_th.txt")

    @cached_property
    def _stems(self) -> tuple[int, int]:
        return _longest(self._given), _longest(self._family)

    def spans(self, text: str) -> Iterable[tuple[int, int, float]]:
        runs = [] if text.isascii() else list(_RUN.finditer(text))
        if not runs:
            return []
        # Behind the last letter of a title there may be a dot.
        last = runs[-1].end() + 1
        return [
            *self._by_list(text, runs),
            *self._behind(text, runs[0].start(), last),
            *self._glued(runs),
        ]

    def _behind(self, text: str, at: int, last: int) -> list[tuple[int, int, float]]:
        """Names behind titles and labels; all Thai letters are between these places."""
        found: list[tuple[int, int, float]] = []
        for match in _LABEL.finditer(text, at, last):
            first = _RUN.match(text, match.end())
            if first and len(first.group()) > 1 and not _TITLE.match(text, match.end()):
                found.append((first.start(), self._family_end(text, first.end()), 0.8))
        begin = at
        while title := _TITLE.search(text, at, last):
            at = title.end()
            run = _RUN.match(text, at)
            if run is None or _TITLE.match(text, at) or len(run.group()) < 2:
                continue
            word = run.group()
            # 20 นาย counts persons, and what comes behind the space is no name.
            if (
                title.group("gap")
                and text[max(0, title.start() - 3) : title.start()].rstrip(" ")[-1:].isdecimal()
            ):
                continue
            other = _NO_TITLE.match(word) or _AFTER_NAME.match(word)
            if (
                other is not None
                and self._prefix(word, 0) <= len(other.group())
                and not _SURE_TITLE.match(title.group())
                and not self._is_short_name(text, title, run)
            ):
                continue
            if title.group("gap") and word in self._words and word not in self._given:
                continue
            given, end = self._ends(text, run)
            found.append((run.start(), end, 0.85 if end > given else 0.7))
            at = given
        for match in _SOFT_TITLE.finditer(text, begin, last):
            run = _RUN.match(text, match.end()) or _RUN.match(text, match.end() + 1)
            if run is None:
                continue
            word = run.group()
            if not self._is_named(word):
                glued = match.start() > 0 and _RUN.match(text, match.start() - 1) is not None
                # A listed name that is a word too: the whole run behind คุณ, or a family name follows.
                is_word = match.group() + word in self._words  # คุณสมบัติ, quality
                if (
                    word in self._given
                    and not is_word
                    and (
                        self._has_family(text, run.end())
                        or (match.group() == "คุณ" and not glued and run.start() == match.end())
                    )
                ):
                    given, end = self._ends(text, run)
                    found.append((run.start(), end, 0.7 if end > given else 0.6))
                    continue
                # คุณ with nothing before it is a title also where the lists are not there.
                if self._given or glued or match.group() != "คุณ":
                    continue
                if _NO_TITLE.match(word) or _AFTER_NAME.match(word):
                    continue
            given, end = self._ends(text, run)
            found.append((run.start(), end, 0.8 if end > given else 0.6))
        return found

    def _is_short_name(self, text: str, title: re.Match[str], run: re.Match[str]) -> bool:
        """True for a word of a few letters right behind นาย or นาง that ends where a name may end.

        นายมานี, though มา is to come; นายกรัฐมนตรี and นางพยาบาลมา are longer.
        """
        if title.group("gap") or not 4 <= len(run.group()) <= 7 or _NO_TITLE.match(run.group()):
            return False
        return text[run.end() : run.end() + 1] in ("", " ", ",", "\n", ")", '"', "'")

    def _has_family(self, text: str, end: int) -> bool:
        """True where a space and a word follow that is, or begins with, a listed family name."""
        run = _RUN.match(text, end + 1) if text[end : end + 1] == " " else None
        if run is None or _AFTER_NAME.match(run.group()) or run.group() in self._words:
            return False
        word = run.group()
        return word in self._family or max(self._prefix(word, 0), self._prefix(word, 1)) >= 4

    def _ends(self, text: str, run: re.Match[str]) -> tuple[int, int]:
        """Where the given name and where the whole name ends that begins with this run."""
        given = self._given_end(run)
        return given, self._family_end(text, given) if given == run.end() else given

    def _given_end(self, run: re.Match[str]) -> int:
        """Where the given name ends in a run of letters behind a title."""
        word = run.group()
        if word in self._given or word in self._family:
            return run.end()
        known = self._prefix(word, 0)
        if known > 2 and (len(word) > _MAX_RUN or _AFTER_NAME.match(word, known)):
            return run.start() + known
        for follows in _AFTER_NAME.finditer(word, 3):
            if follows.start() >= 3:
                return run.start() + follows.start()
        if len(word) > _MAX_RUN and known > 2:
            return run.start() + known
        return run.end()

    def _family_end(self, text: str, end: int) -> int:
        """Where the name ends whose given name ends at `end`: there, or behind a second word."""
        gap = end
        while gap < len(text) and text[gap] in _SPACE and gap - end < 3:
            gap += 1
        # ณ, as in ณ อยุธยา, is a word of its own in a family name.
        if gap > end and text.startswith("ณ ", gap):
            gap += 2
        run = _RUN.match(text, gap) if gap > end else None
        if run is None or len(run.group()) < 2:
            return end
        word = run.group()
        if word in self._family:
            return run.end()
        if _AFTER_NAME.match(word) or _TITLE.match(text, gap):
            return end
        known = self._prefix(word, 1)
        if known > 3 and (len(word) > _MAX_RUN or _AFTER_NAME.match(word, known)):
            return gap + known
        for follows in _AFTER_NAME.finditer(word, 4):
            return gap + follows.start()
        if len(word) > _MAX_RUN:
            return end
        # A word of the language is a family name where the field ends behind it, not in a sentence.
        if word in self._words and not (self._given and _FIELD_END.match(text, run.end())):
            return end
        return run.end()

    def _is_named(self, word: str) -> bool:
        """True where a listed name that is no word, nor the begin of one, begins the run."""
        known = self._prefix(word, 0)
        if known < 3 or word[:known] in self._words:
            return False
        return not any(word[:size] in self._words for size in range(known + 1, len(word) + 1))

    def _prefix(self, word: str, which: int) -> int:
        """The length of the longest listed name (given 0, family 1) that the word begins with."""
        names = (self._given, self._family)[which]
        for size in range(min(len(word), self._stems[which]), 2, -1):
            if word[:size] in names:
                return size
        return 0

    def _by_list(self, text: str, runs: list[re.Match[str]]) -> list[tuple[int, int, float]]:
        """Names of the lists that stand apart from other letters."""
        found: list[tuple[int, int, float]] = []
        if not self._given:
            return found
        for number, run in enumerate(runs):
            word = run.group()
            if len(word) < 3 or word not in self._given:
                continue
            follows = runs[number + 1] if number + 1 < len(runs) else None
            gap = text[run.end() : follows.start()] if follows is not None else ""
            if follows is None or gap.strip(_SPACE) or not 0 < len(gap) < 4:
                if word not in self._words and len(word) > 3:
                    found.append((run.start(), run.end(), 0.6))
                continue
            second = follows.group()
            if second in self._family and not (word in self._words and second in self._words):
                found.append((run.start(), follows.end(), 0.85))
            elif (word not in self._words and len(word) > 3) or (
                len(second) > 6 and self._has_family(text, run.end())
            ):
                end = self._family_end(text, run.end())
                found.append((run.start(), end, 0.7 if end > run.end() else 0.6))
        return found

    def _glued(self, runs: list[re.Match[str]]) -> Iterable[tuple[int, int, float]]:
        """Long given names of the list, that are no words, between words of the language.

        Thai has no spaces between words: a name stands right behind "send to" and before "already".
        """
        if not self._given:
            return
        for run in runs:
            word = run.group()
            at = 0
            while at + _GLUED <= len(word):
                size = next(
                    (
                        n
                        for n in range(min(len(word) - at, 14), _GLUED - 1, -1)
                        if word[at : at + n] in self._given
                    ),
                    0,
                )
                end = at + size
                if (
                    size
                    and size < len(word)
                    and word[at:end] not in self._words
                    and self._between(word, at, end)
                ):
                    yield run.start() + at, run.start() + end, 0.55
                    at = end
                else:
                    at += 1

    def _between(self, word: str, start: int, end: int) -> bool:
        """True where a word of the language ends at `start` and another begins at `end`."""
        behind = word[start : start + 1] not in _MARKS and word[end : end + 1] not in _MARKS
        before_fits = start == 0 or any(
            word[start - n : start] in self._words for n in range(2, 11) if n <= start
        )
        after_fits = end == len(word) or any(
            word[end : end + n] in self._words for n in range(2, 11)
        )
        # No longer word of the language goes over an edge of it.
        over = any(
            word[a:b] in self._words
            for a in range(max(0, start - 8), end)
            for b in range(a + 2, min(len(word), end + 8) + 1)
            if (a < start < b or a < end < b) and b - a > 5
        )
        return behind and before_fits and after_fits and not over


@cache
def _names(file: str) -> frozenset[str]:
    """One list of the installed package, or nothing. `find_spec` does not run the package."""
    spec = importlib.util.find_spec("pythainlp")
    if spec is None or not spec.submodule_search_locations:
        return frozenset()
    path = Path(spec.submodule_search_locations[0]) / "corpus" / file
    return frozenset(path.read_text(encoding="utf-8-sig").split()) if path.exists() else frozenset()


def read_lists() -> None:
    """Reads the lists now, for processes that will share them."""
    for file in _FILES:
        _names(file)


_FILES = ("person_names_female_th.txt", "person_names_male_th.txt", "family_names_th.txt", "words_th.txt")  # fmt: skip


def _longest(names: frozenset[str]) -> int:
    return max(map(len, names), default=0)
