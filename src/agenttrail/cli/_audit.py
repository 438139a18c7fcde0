"""Audit events that agenttrail makes itself: who stopped what, which call was refused.

They go the way of every other event: through the mask, then to the sinks of a pipeline file or to a
JSON Lines file. The account of this process stands on them as the actor, and is masked like any user.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import pwd
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from agenttrail.errors import AgenttrailError, Rejected, RetryLater, UsageError

if TYPE_CHECKING:
    from agenttrail.masks import MaskOptions
    from agenttrail.seams import Event, Mask, Sink
    from agenttrail.sinks import SinkOptions

_TRY_FOR_S = 15.0


def add_audit(parser: argparse.ArgumentParser) -> None:
    """`-c` and `--audit-log`."""
    parser.add_argument("-c", "--config", metavar="FILE", help="pipeline whose mask and sinks the record goes through, and whose enricher names the kill switch")  # fmt: skip
    parser.add_argument("--audit-log", metavar="FILE", help="JSON Lines file that the masked record is appended to")  # fmt: skip


class AuditLog:
    """Masks events of our own and writes them; made before anything is done, so that mistakes come first.

    Args:
        config: a pipeline file, or None.
        path: a JSON Lines file, or None.

    Raises:
        UsageError: neither or both.
        ConfigError: the pipeline's problems.
    """

    def __init__(self, config: str | None, path: str | None) -> None:
        from agenttrail import config as configuration
        from agenttrail.masks.presidio import PresidioOptions
        from agenttrail.sinks.jsonl import JsonlOptions

        if (config is None) == (path is None):
            raise UsageError("name one place for the record", hint="--audit-log FILE, or -c pipeline.yaml")  # fmt: skip
        self._options: tuple[SinkOptions, ...]
        self._mask_options: MaskOptions
        if config is not None:
            pipeline = configuration.load(config)
            self._mask_options, self._options = pipeline.mask, pipeline.sinks
        else:
            self._mask_options, self._options = PresidioOptions(), (JsonlOptions(path=path or ""),)
        self._mask: Mask | None = None
        self._sinks: list[Sink] = []

    def open(self) -> None:
        """Loads the mask and connects the sinks; takes seconds where names are looked for.

        Raises:
            AgenttrailError: one cannot be used.
        """
        from dataclasses import replace

        from agenttrail.cli._run import attempt
        from agenttrail.sinks.jsonl import JsonlOptions

        if self._mask is not None:
            return
        for options in self._options:
            if isinstance(options, JsonlOptions) and options.mode == "replace":
                options = replace(options, mode="append")
            sink: Sink = attempt("sink", options.type, options.build)
            attempt("sink", options.type, sink.check)
            self._sinks.append(sink)
        self._mask = attempt("mask", self._mask_options.type, self._mask_options.build)

    def write(self, verb: str, fields: Mapping[str, Any]) -> None:
        """Masks one event and returns when every sink has it.

        Raises:
            AgenttrailError: a sink would not take it.
        """
        self.deliver([made(verb, fields, datetime.now(UTC))])

    def deliver(self, events: Sequence[Event]) -> None:
        """Masks events and returns when every sink has them.

        Raises:
            AgenttrailError: a sink would not take them.
        """
        self.open()
        assert self._mask is not None
        masked = self._mask(events)
        for sink in self._sinks:
            deadline = time.monotonic() + _TRY_FOR_S
            while True:
                try:
                    sink.write(masked)
                    break
                except RetryLater as error:
                    if time.monotonic() > deadline:
                        raise AgenttrailError(error.message, hint=error.hint) from None
                    time.sleep(0.5)
                except Rejected:
                    raise AgenttrailError("a sink will never take the record") from None

    def close(self) -> None:
        """Closes the sinks."""
        for sink in self._sinks:
            sink.close()
        self._sinks = []


def made(verb: str, fields: Mapping[str, Any], now: datetime) -> Any:
    """The event of something that agenttrail did, with its actor; `fields` win."""
    from agenttrail import fields as f
    from agenttrail import jsontext
    from agenttrail.seams import Event, Record

    account = os.getuid()
    try:
        who = pwd.getpwuid(account).pw_name
    except KeyError:  # an account without a name, as in a container
        who = str(account)
    moment = now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    filled = {
        **f.CONSTANTS,
        f.TIMESTAMP: moment,
        f.EVENT_KIND: "event",
        f.EVENT_CATEGORY: ["configuration"],
        f.EVENT_TYPE: ["change"],
        f.EVENT_OUTCOME: "success",
        f.DATA_STREAM_NAMESPACE: "default",
        f.USER_ID: str(account),
        f.USER_NAME: who,
        f.SOURCE_TYPE: verb,
        f.SOURCE_FORMAT: "agenttrail",
        f.SOURCE_LINE: 1,
        f.SOURCE_TIME: "read",
        **fields,
    }
    filled = {name: value for name, value in filled.items() if value is not None}
    data = jsontext.dumps(f.to_document(filled))
    digest = hashlib.sha256(data + f"{os.getpid()}.{time.monotonic_ns()}".encode()).digest()
    filled[f.EVENT_ID] = digest.hex()[:32]
    record = Record(
        data=data, source=verb, path=None, stream=verb, incarnation=verb, line=1, offset=0, end=0,
        digest=digest, full_bytes=len(data), time=moment,
    )  # fmt: skip
    return Event(filled, (record,))
