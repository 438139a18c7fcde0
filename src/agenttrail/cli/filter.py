"""`agenttrail filter`: a line in, its masked line out, for collectors that run a program.

Masking runs in a process of its own, watched by this one, which reads, answers and never loads the
model: a line over which masking hangs, dies or runs out of memory is answered with its envelope, and the
next line is masked again.

It ends with its input, with SIGTERM after answering what was read (with rsyslog, which waits for each
answer, the first SIGTERM is passed over), and quietly where nobody reads its answers any more. Exit codes: 0; 1 where a line went out as its envelope; 2 wrong usage.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING, Any

from agenttrail.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agenttrail.cli._filter_modes import Answer, Counts
    from agenttrail.cli._filter_protocols import Protocol_

_EPILOG = """\
rsyslog:     action(type="mmexternal" interface.input="fulljson" binary="/usr/bin/agenttrail filter --protocol rsyslog")
fluentd:     @type exec_filter, command agenttrail filter --protocol fluentd
others:      tail -F log | agenttrail filter | …

Whole configurations that let nothing unmasked past are in collectors/.
"""


def add(verbs: Any) -> None:
    """Adds the verb."""
    from agenttrail.cli._options import add_profile

    parser = verbs.add_parser(
        "filter",
        help="a line in, its masked line out, for collectors that run a program",
        description="Reads lines from standard input and answers each on standard output, masked. What cannot be masked is answered with its envelope: ids, sizes and the class of the failure, no content.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--protocol", choices=("jsonl", "rsyslog", "fluentd"), default="jsonl", help="how lines come and answers go: plain lines (the default), rsyslog's mmexternal, fluentd's exec_filter with json")  # fmt: skip
    parser.add_argument("--mode", choices=("mask", "normalise"), default="mask", help="mask: a line keeps its own shape (the default); normalise: lines become events as of agenttrail run")  # fmt: skip
    parser.add_argument("-f", "--format", metavar="FORMAT", help="how lines are read to be normalised (default: auto)")  # fmt: skip
    parser.add_argument("-c", "--config", metavar="FILE", help="mask, format and enrichers of this pipeline file")  # fmt: skip
    add_profile(parser)
    parser.add_argument("--interface-input", choices=("fulljson", "msg", "rawmsg"), metavar="INPUT", help="rsyslog: the interface.input of the action: fulljson (the default), msg or rawmsg")  # fmt: skip
    parser.add_argument("--line-key", metavar="KEY", help="fluentd, normalised: key of the log line in a record (default: message)")  # fmt: skip
    parser.add_argument("--stream-key", metavar="KEY", help="fluentd, normalised: key that names the stream (default: tag)")  # fmt: skip
    parser.add_argument("--rest", metavar="FILE", help="rsyslog, normalised: append the events of lines still held at the end")  # fmt: skip
    parser.add_argument("--stream", metavar="NAME", help="what event ids rest on beside the lines; the same name and lines give the same ids (default: a name of its own for every start)")  # fmt: skip
    parser.add_argument("--timeout-s", type=float, default=30.0, metavar="N", help="longest time masking may take for what was read at once, in seconds (default: 30)")  # fmt: skip
    parser.add_argument("--max-line-bytes", type=int, default=16_777_216, metavar="N", help="a longer line is answered with its envelope (default: 16777216)")  # fmt: skip
    parser.add_argument("--log", metavar="FILE", help="append messages to FILE instead of standard error")  # fmt: skip
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Answers lines until the input ends.

    Raises:
        UsageError: options that do not go together.
        AgenttrailError: the mask cannot be built; nothing was read then.
        BrokenPipeError: nobody reads the answers.
    """
    from agenttrail.cli import _filter_modes as modes
    from agenttrail.cli import _filter_stream as stream
    from agenttrail.cli._options import component, mask
    from agenttrail.formats.auto import AutoOptions
    from agenttrail.guard import Guard

    protocol = _protocol(arguments)
    normalise = arguments.mode == "normalise"
    mask_options = mask(arguments)
    form: Any = component("format", arguments.format or "auto") if normalise else None
    enrichers: list[Any] = []
    if arguments.config is not None:
        from agenttrail import config

        options = config.load(arguments.config)
        mask_options = options.mask
        form = options.format
        enrichers = [enricher.build() for enricher in options.enrichers] if normalise else []
    chosen: list[str] = []
    name = arguments.stream or f"filter:{time.time_ns():x}"
    counts = modes.Counts()
    rest = stream.open_private(arguments.rest) if arguments.rest else None
    with (
        Guard(mask_options, timeout_s=arguments.timeout_s) as guard,
        stream.Stopper(waits=protocol.one_answer) as stop,
    ):
        answerer: modes.Shape | modes.Events
        if normalise:
            built = (
                form.build(choose=lambda _, name, why: chosen.append(f"{name or 'none'} ({why})"))
                if isinstance(form, AutoOptions)
                else form.build()
            )
            answerer = modes.Events(
                protocol, guard, built, enrichers, stream=name, policy=mask_options.policy,
                counts=counts,
            )  # fmt: skip
        else:
            answerer = modes.Shape(protocol, guard, mask_options.policy, counts)
        stream.keep_messages_apart(arguments.log)
        reader = stream.Reader(
            0, stream=name, max_line_bytes=arguments.max_line_bytes, stop=stop
        )  # fmt: skip
        turns = _Turns(protocol, joins=normalise or arguments.interface_input in ("msg", "rawmsg"))
        for records in reader.batches():
            counts.read += len(records)
            unread = protocol.one_answer and stream.unread(1)
            made = answerer.answers(records)
            if protocol.one_answer:
                stream.write(1, turns.answer(made, late=unread or stream.readable(0)))
            else:
                stream.write(
                    1, b"".join(protocol.answer(a.record, a.asked, a.lines, a.status) for a in made)
                )
        left = b"".join(line + b"\n" for line in [*turns.carried, *answerer.end()])
        if rest is not None:
            rest.write(left)
        elif not protocol.one_answer:
            stream.write(1, left)
        _say(counts, guard.restarts, chosen)
    return 1 if counts.failed else 0


class _Turns:
    """Keeps question and answer together where a collector asks, waits, and asks again.

    It waits for one answer at a time, to its last question. Two questions at once, or one while the
    answer before it lies unread, mean that it stopped waiting: a second answer would be taken for the
    next question's, and so on for ever. What is not answered it asks again, for it checks the uuid.

    Args:
        joins: what was left unanswered comes with the next answer; for messages that are not asked
            again, and for events, of which the format has let go.
    """

    def __init__(self, protocol: Protocol_, *, joins: bool) -> None:
        self._protocol, self._joins = protocol, joins
        self.carried: list[bytes] = []

    def answer(self, made: Sequence[Answer], *, late: bool) -> bytes:
        """The one answer to these lines; nothing where another one is going to be read instead."""
        last = made[-1]
        lines = last.lines
        if self._joins:
            lines = [*self.carried, *(line for each in made for line in each.lines)]
        if late:
            self.carried = lines if self._joins else []
            return b""
        self.carried = []
        status = "masked" if lines and last.status in ("held", "dropped") else last.status
        return self._protocol.answer(last.record, last.asked, lines, status)


def _protocol(arguments: argparse.Namespace) -> Protocol_:
    """The protocol that the options stand for.

    Raises:
        UsageError: an option without effect, or one that is missing.
    """
    from agenttrail.cli import _filter_protocols as protocols

    normalise = arguments.mode == "normalise"
    own = {
        "--interface-input": (arguments.interface_input, arguments.protocol == "rsyslog"),
        "--line-key": (arguments.line_key, arguments.protocol == "fluentd" and normalise),
        "--stream-key": (arguments.stream_key, arguments.protocol == "fluentd" and normalise),
        "--rest": (arguments.rest, arguments.protocol == "rsyslog" and normalise),
        "--format": (arguments.format, normalise and arguments.config is None),
    }
    for option, (value, has_effect) in own.items():
        if value is not None and not has_effect:
            raise UsageError(
                f"{option} has no effect with --protocol {arguments.protocol} --mode {arguments.mode}"
                + (" --config" if option == "--format" and normalise else "")
            )
    if arguments.timeout_s <= 0:
        raise UsageError("--timeout-s must be positive")
    if arguments.max_line_bytes < 1024:
        raise UsageError("--max-line-bytes must be at least 1024")
    if arguments.protocol == "rsyslog":
        if normalise and arguments.rest is None:
            raise UsageError(
                "--mode normalise with --protocol rsyslog needs --rest FILE",
                hint="events of lines held at the end have no line left to be the answer to",
            )
        return protocols.Rsyslog(fulljson=arguments.interface_input in (None, "fulljson"))
    if arguments.protocol == "fluentd":
        return protocols.Fluentd(arguments.line_key or "message", arguments.stream_key or "tag")
    return protocols.Jsonl()


def _say(counts: Counts, restarts: int, chosen: list[str]) -> None:
    """The end of it, for people; counts and names of formats only."""
    text = f"agenttrail filter: {counts.read:,} lines read, {counts.answered:,} answered"
    if counts.events:
        text += f", {counts.events:,} events"
    if counts.failed:
        detail = ", ".join(f"{name} {count:,}" for name, count in counts.failed.most_common())
        text += f"; {counts.failed.total():,} with the envelope only ({detail})"
    if counts.dropped:
        detail = ", ".join(f"{name} {count:,}" for name, count in counts.dropped.most_common())
        text += f"; {counts.dropped.total():,} dropped ({detail})"
    if restarts:
        text += f"; masking was started again {restarts:,} times"
    for each in chosen:
        text += f"\nagenttrail filter: read as {each}"
    sys.stderr.write(text + "\n")
