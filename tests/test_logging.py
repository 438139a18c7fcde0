"""Plain Python logging: what a record says is masked, where it comes from stays."""

from __future__ import annotations

import io
import json
import logging
import logging.handlers
import queue
import threading

import pytest

from agenttrail.logging import MaskingFilter, MaskingHandler
from agenttrail.masking import Masker

MAIL = "ann@example.com"


@pytest.fixture(scope="module")
def masker() -> Masker:
    return Masker(profile="fast")


@pytest.fixture
def logger() -> logging.Logger:
    made = logging.Logger("desk.agent")
    made.propagate = False
    return made


class Json(logging.Formatter):
    """A formatter that writes all that a record holds, as JSON loggers do."""

    def format(self, record):
        own = vars(logging.makeLogRecord({}))
        extra = {k: v for k, v in vars(record).items() if k not in own}
        return json.dumps(
            {"name": record.name, "level": record.levelname, "message": record.getMessage(),
             "exc": record.exc_text, "args": record.args, "extra": extra, "line": record.lineno,
             "path": record.pathname, "thread": record.threadName}
        )  # fmt: skip


def written(logger: logging.Logger, handler_of, formatter: logging.Formatter | None = None):
    stream = io.StringIO()
    inner = logging.StreamHandler(stream)
    inner.setFormatter(formatter or Json())
    logger.addHandler(handler_of(inner))
    return stream


def test_message_arguments_traceback_and_extra_fields_are_masked(logger, masker):
    stream = written(logger, lambda inner: MaskingHandler(inner, masker))
    try:
        raise KeyError(f"no {MAIL}")
    except KeyError:
        logger.exception("asked by %s of %s", MAIL, "desk", extra={"email": "x", "args_of": {"to": [MAIL]}, "n": 3})  # fmt: skip
    line = json.loads(stream.getvalue())
    assert line["name"] == "desk.agent"
    assert line["level"] == "ERROR"
    assert line["message"] == "asked by <EMAIL_ADDRESS> of desk"
    assert line["args"] is None
    assert "KeyError: 'no <EMAIL_ADDRESS>'" in line["exc"]
    assert "test_logging.py" in line["exc"]
    assert line["extra"] == {
        "email": "<EMAIL_ADDRESS>",
        "args_of": {"to": ["<EMAIL_ADDRESS>"]},
        "n": 3,
    }
    assert line["line"] > 0
    assert MAIL not in stream.getvalue()


def test_a_plain_formatter_writes_the_masked_traceback(logger, masker):
    stream = written(logger, lambda inner: MaskingHandler(inner, masker), logging.Formatter("%(message)s"))  # fmt: skip
    try:
        raise ValueError(MAIL)
    except ValueError:
        logger.warning("%s", MAIL, exc_info=True, stack_info=True)
    text = stream.getvalue()
    assert text.startswith("<EMAIL_ADDRESS>\nTraceback (most recent call last):")
    assert "ValueError: <EMAIL_ADDRESS>" in text
    assert "Stack (most recent call last):" in text
    assert MAIL not in text


def test_a_handler_leaves_the_record_to_others_as_it_was_and_a_filter_does_not(logger, masker):
    first = written(logger, lambda inner: MaskingHandler(inner, masker))
    second = written(logger, lambda inner: inner)
    logger.info("mail %s", MAIL, extra={"to": MAIL})
    assert json.loads(first.getvalue())["message"] == "mail <EMAIL_ADDRESS>"
    assert json.loads(second.getvalue())["message"] == f"mail {MAIL}"
    assert json.loads(second.getvalue())["extra"] == {"to": MAIL}
    logger.addFilter(MaskingFilter(masker))
    logger.info("mail %s", MAIL)
    assert json.loads(second.getvalue().splitlines()[1])["message"] == "mail <EMAIL_ADDRESS>"


def test_an_object_of_a_programs_own_is_masked_as_its_text(logger, masker):
    class Customer:
        def __str__(self):
            return f"Customer {MAIL}"

    stream = written(logger, lambda inner: MaskingHandler(inner, masker))
    logger.info("got %s", Customer(), extra={"who": Customer(), "all": {1: (Customer(),)}})
    line = json.loads(stream.getvalue())
    assert line["message"] == "got Customer <EMAIL_ADDRESS>"
    assert line["extra"] == {"who": "Customer <EMAIL_ADDRESS>", "all": {"1": ["Customer <EMAIL_ADDRESS>"]}}  # fmt: skip


class Raises:
    def __str__(self):
        raise ZeroDivisionError(MAIL)


@pytest.mark.parametrize(
    "message, args, extra",
    [
        ("of %s", (Raises(),), {}),
        ("of %d and %d", (MAIL,), {}),
        ("of", (), {"who": Raises()}),
        ("poison", (), {"note": MAIL}),
    ],
)
def test_a_record_that_cannot_be_masked_has_its_place_and_no_content(logger, broken, message, args, extra):  # fmt: skip
    stream = written(logger, lambda inner: MaskingHandler(inner, broken))
    try:
        raise ValueError(MAIL)
    except ValueError:
        logger.error(message, *args, exc_info=True, stack_info=True, extra={**extra, "to": MAIL})
    line = json.loads(stream.getvalue())
    assert (line["name"], line["level"]) == ("desk.agent", "ERROR")
    assert line["message"] == "<MASKING_FAILED>"
    assert line["path"] == "test_logging.py"
    assert line["extra"] == {"agenttrail.pii.failed": True}
    assert line["exc"] is None
    assert MAIL not in stream.getvalue()
    assert broken.failures.total() == 1


@pytest.fixture
def broken() -> Masker:
    class Broken:
        def prose(self, texts):
            if any("poison" in text for text in texts):
                raise RuntimeError(MAIL)
            return iter([()] * len(texts))

        patterns = prose

    masker = Masker(profile="fast")
    masker._mask._reader._detector = Broken()
    return masker


def test_what_the_mask_itself_logs_neither_waits_nor_leaks(logger):
    """A recogniser that logs the text it reads, while its record is being masked."""
    masker = Masker(profile="fast")
    detector = masker._mask._reader._detector

    class Talking:
        def prose(self, texts):
            logger.debug("reading %s", texts)
            return detector.prose(texts)

        def patterns(self, texts):
            logger.debug("reading %s", texts)
            return detector.patterns(texts)

    masker._mask._reader._detector = Talking()
    stream = written(logger, lambda inner: MaskingHandler(inner, masker))
    thread = threading.Thread(target=logger.info, args=("mail %s", MAIL))
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
    messages = [json.loads(line)["message"] for line in stream.getvalue().splitlines()]
    assert messages[-1] == "mail <EMAIL_ADDRESS>"
    assert set(messages[:-1]) == {"<MASKING_FAILED>"}
    assert MAIL not in stream.getvalue()


def test_records_below_the_inner_level_cost_nothing(logger, masker):
    inner = logging.NullHandler(logging.ERROR)
    handler = MaskingHandler(inner, masker)
    logger.addHandler(handler)
    logger.info("of %s", Raises())
    assert masker.failures == {}


def test_formatter_flush_and_close_go_through(masker):
    class Inner(logging.Handler):
        calls: list[str] = []  # noqa: RUF012

        def flush(self):
            self.calls.append("flush")

        def close(self):
            self.calls.append("close")
            super().close()

    inner = Inner()
    handler = MaskingHandler(inner, masker)
    formatter = logging.Formatter("%(message)s")
    handler.setFormatter(formatter)
    handler.flush()
    handler.close()
    assert inner.formatter is formatter
    assert inner.calls == ["flush", "close"]


def test_it_stands_before_a_queue(logger, masker):
    """What a QueueHandler sends to another process is masked already."""
    waiting: queue.Queue[logging.LogRecord] = queue.Queue()
    logger.addHandler(MaskingHandler(logging.handlers.QueueHandler(waiting), masker))
    logger.info("mail %s", MAIL)
    assert waiting.get_nowait().getMessage() == "mail <EMAIL_ADDRESS>"


def test_many_threads_log_at_once(logger, masker):
    stream = written(logger, lambda inner: MaskingHandler(inner, masker))
    threads = [threading.Thread(target=logger.info, args=("%s ann%s@example.com", n, n)) for n in range(40)]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    messages = sorted(json.loads(line)["message"] for line in stream.getvalue().splitlines())
    assert messages == sorted(f"{n} <EMAIL_ADDRESS>" for n in range(40))
