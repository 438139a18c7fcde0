"""The mask as a library never raises for what it is given and never gives it back unmasked."""

from __future__ import annotations

import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from agenttrail.errors import MaskError
from agenttrail.masking import FAILED, Masker
from agenttrail.masks.presidio import PresidioOptions

FAILED_OBJECT = {"agenttrail": {"pii": {"failed": True, "error": "TypeError"}}}


@pytest.fixture(scope="module")
def masker() -> Masker:
    return Masker(profile="fast")


@pytest.mark.parametrize(
    "line, expected",
    [
        (b'{"to":"ann@example.com","n":1.10}\n', b'{"to":"<EMAIL_ADDRESS>","n":1.10}\n'),
        (b'{"user":{"id":7},"user.email":"x"}', b'{"user":{"id":"<USER_ID>"},"user.email":"<EMAIL_ADDRESS>"}'),
        (b'{"name":"Authorization","value":"Bearer abc"}', b'{"name":"Authorization","value":"<SECRET>"}'),
        (b'[1,"ann@example.com"]\r\n', b'[1,"<EMAIL_ADDRESS>"]\r\n'),
        (b"mail ann@example.com\n", b"mail <EMAIL_ADDRESS>\n"),
        (b'{"to":"ann@example.com', b'{"to":"<EMAIL_ADDRESS>'),
        (b'"ann@example.com"', b'"<EMAIL_ADDRESS>"'),
        (b"\xff ann@example.com", "\ufffd <EMAIL_ADDRESS>".encode()),
        (b"", b""),
        (b"\n", b"\n"),
        (b"12", b"12"),
        (b"[" * 5000, b"[" * 5000),
    ],
)  # fmt: skip
def test_a_line_is_masked_as_json_or_as_text(masker, line, expected):
    assert masker.line(line) == expected
    assert masker.line(expected) == expected


def test_many_lines_are_masked_as_each_alone(masker):
    lines = [b'{"to":"ann@example.com"}\n', b"mail bob@example.com", b"nothing"]
    assert masker.lines(lines) == [masker.line(line) for line in lines]


def test_texts_and_json_are_masked(masker):
    assert masker.text("ring +66 81 234 5678") == "ring <PHONE_NUMBER>"
    assert masker.json({"a": [{"email": "x"}], "b": None}) == {"a": [{"email": "<EMAIL_ADDRESS>"}], "b": None}  # fmt: skip
    assert masker.json(5) == 5


def test_what_cannot_be_masked_is_left_out_and_counted():
    masker = Masker(profile="fast")
    assert masker.json({"mail": {"ann@example.com"}}) == FAILED_OBJECT
    assert masker.text(object()) == FAILED
    assert masker.values([{"a": object()}, "ok"]) == [(None, "TypeError"), ("ok", "")]
    assert masker.failures == {"TypeError": 3}


def test_a_broken_recogniser_gives_envelopes_of_lines():
    class Broken:
        def prose(self, texts):
            raise RuntimeError(f"cannot read {texts}")

        patterns = prose

    masker = Masker(profile="fast")
    masker._mask._reader._detector = Broken()
    got = masker.lines([b'{"to":"ann@example.com"}\n', b"mail ann@example.com\n"])
    assert json.loads(got[0]) == {"agenttrail": {"pii": {"failed": True, "error": "RuntimeError"}}}
    assert got[1] == b"<MASKING_FAILED>\n"
    assert masker.failures == {"RuntimeError": 2}


def test_one_that_cannot_be_made_raises_before_any_data_is_there():
    with pytest.raises(MaskError, match="no_such_model"):
        Masker(PresidioOptions(spacy_model="no_such_model"))


def test_threads_share_a_masker(masker):
    with ThreadPoolExecutor(4) as pool:
        got = list(pool.map(masker.text, [f"{n} ann{n}@example.com" for n in range(200)]))
    assert got == [f"{n} <EMAIL_ADDRESS>" for n in range(200)]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("can_be_made_again", [True, False])
def test_a_child_forked_while_another_thread_masks_can_mask(can_be_made_again):
    """What the engine held in the middle of a scan is another thread's: the child makes its own."""
    masker = Masker(profile="fast")
    held, done = threading.Event(), threading.Event()

    class Holding:
        def prose(self, texts):
            held.set()
            done.wait(30)
            return iter([()] * len(texts))

        patterns = prose

    masker._mask._reader._detector = Holding()
    thread = threading.Thread(target=masker.text, args=("something to read",))
    thread.start()
    assert held.wait(30)
    child = os.fork()
    if child == 0:
        if not can_be_made_again:
            masker._options = PresidioOptions(spacy_model="no_such_model")
        expected = "mail <EMAIL_ADDRESS>" if can_be_made_again else FAILED
        os._exit(0 if masker.text("mail ann@example.com") == expected else 3)
    try:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        done.set()
        thread.join()


def test_a_masker_may_have_worker_processes():
    masker = Masker(PresidioOptions(profile="fast", workers=2))
    try:
        assert masker.lines([b"ann@example.com"] * 5) == [b"<EMAIL_ADDRESS>"] * 5
    finally:
        masker.close()
