"""What the verbs that run a pipeline share: building it, showing progress, telling how it ended."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

from agenttrail import config
from agenttrail import fields as f
from agenttrail.cli._collector import uncollected
from agenttrail.config import PipelineOptions
from agenttrail.errors import AgenttrailError
from agenttrail.formats.auto import AutoOptions
from agenttrail.formats.mcp_wire import McpWireOptions
from agenttrail.runner import Counts, Outcome, Runner, Settings
from agenttrail.seams import (
    Closing,
    Enricher,
    Finishing,
    Format,
    MaskedEvent,
    Measured,
    Sink,
    Source,
)
from agenttrail.sinks.jsonl import JsonlOptions
from agenttrail.sources.tap import TapOptions

# Files of one format that are named one by one; the rest is counted.
_FILES_TOLD = 5


class Tally:
    """What a summary says beyond the runner's counts, gathered from masked events."""

    def __init__(self) -> None:
        self.masked: Counter[str] = Counter()
        self.kept: Counter[str] = Counter()
        self.actions: Counter[str] = Counter()
        self.tools: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.formats: Counter[str] = Counter()
        self.unreadable: Counter[tuple[str, str]] = Counter()
        self.readable: Counter[tuple[str, str]] = Counter()
        self.usage: Counter[str] = Counter()

    def add(self, batch: Sequence[MaskedEvent]) -> None:
        for event in batch:
            fields = event.fields
            self.masked.update(fields.get(f.PII_BY_TYPE, {}))
            self.kept.update(fields.get(f.PII_KEPT, {}))
            self.actions[fields[f.EVENT_ACTION]] += 1
            self.outcomes[fields[f.EVENT_OUTCOME]] += 1
            place = (str(fields.get(f.SOURCE_FILE, "stdin")), str(fields[f.SOURCE_FORMAT]))
            if f.SOURCE_ERROR in fields and fields[f.EVENT_KIND] == "pipeline_error":
                self.unreadable[place] += 1
            else:
                self.readable[place] += 1
            self.formats[str(fields[f.SOURCE_FORMAT])] += 1
            if fields.get(f.OPERATION_NAME) == "execute_tool":
                self.tools[str(fields.get(f.TOOL_NAME, "unknown"))] += 1
            for name in (f.INPUT_TOKENS, f.OUTPUT_TOKENS):
                self.usage[name] += fields.get(name, 0)

    def suspects(self) -> list[str]:
        """Files of which more lines were unreadable than readable: the format is likely wrong."""
        return [
            f"{path}: {bad} of {bad + self.readable[(path, name)]} records unreadable as {name}; wrong --format?"
            for (path, name), bad in sorted(self.unreadable.items())
            if bad > self.readable[(path, name)]
        ]


class Screen:
    """Standard error: a progress bar on a terminal, plain sentences elsewhere."""

    def __init__(self, source: Source, *, quiet: bool) -> None:
        self._source, self._quiet = source, quiet
        self._bar: Any = None
        if not quiet and sys.stderr.isatty() and isinstance(source, Measured):
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                DownloadColumn,
                Progress,
                TextColumn,
                TimeRemainingColumn,
                TransferSpeedColumn,
            )

            self._bar = Progress(
                TextColumn("{task.description}"), BarColumn(), DownloadColumn(),
                TransferSpeedColumn(), TimeRemainingColumn(),
                console=Console(stderr=True), transient=True,
            )  # fmt: skip
            self._job = self._bar.add_task("masking", total=None)

    def __enter__(self) -> Screen:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()

    def progress(self, counts: Counts) -> None:
        if self._bar and isinstance(self._source, Measured):
            done, total = self._source.progress()
            if total:
                self._bar.update(
                    self._job, completed=min(done, total), total=total,
                    description=f"{counts.events_delivered:,} events",
                )  # fmt: skip

    def say(self, text: str) -> None:
        if self._quiet:
            return
        if self._bar:
            self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            sys.stderr.write(f"{text}\n")


class Stopper:
    """Ctrl-C and SIGTERM finish the batch at hand; a second Ctrl-C ends at once."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self) -> bool:
        return self.asked

    def __enter__(self) -> Stopper:
        self._before: dict[int, Any] = {}
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._ask)
        return self

    def _ask(self, number: int, _: object) -> None:
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = True

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


def build_sinks(options: PipelineOptions) -> dict[str, Sink]:
    """The sinks by their place and type, each found usable.

    Raises:
        Unreachable: the first that is not.
    """
    sinks: dict[str, Sink] = {}
    for number, sink_options in enumerate(options.sinks):
        sink: Sink = attempt("sink", sink_options.type, sink_options.build)
        sinks[f"{sink_options.type}[{number}]" if len(options.sinks) > 1 else sink_options.type] = (
            sink
        )
    for name, sink in sinks.items():
        attempt("sink", name.split("[")[0], sink.check)
    return sinks


def attempt(stage: str, name: str, action: Callable[[], Any]) -> Any:
    """What `action` gives; whatever a library below says to a wrong option becomes an error of ours.

    Raises:
        AgenttrailError: its message names the component and the class of the error alone.
    """
    try:
        return action()
    except AgenttrailError:
        raise
    except Exception as error:  # noqa: BLE001  any library's
        raise AgenttrailError(
            f"{stage} {name}: cannot be set up with these options ({type(error).__name__})",
            hint=f"agenttrail explain {name}",
        ) from None


def run_pipeline(
    options: PipelineOptions,
    *,
    as_json: bool = False,
    quiet: bool = False,
    source: Source | None = None,
) -> int:
    """Builds everything, checks every sink, runs to the end, prints the counts; the exit code.

    `source` is read instead of the options' sources (a tap that is already running).
    """
    started, cpu = time.monotonic(), time.process_time()
    with ExitStack() as stack:
        sinks = build_sinks(options)
        for sink in sinks.values():
            stack.callback(sink.close)
        with uncollected():
            mask = attempt("mask", options.mask.type, options.mask.build)
        enrichers: list[Enricher] = []
        for enricher_options in options.enrichers:
            enricher = attempt("enricher", enricher_options.type, enricher_options.build)
            enrichers.append(enricher)
            if isinstance(enricher, Closing):
                stack.callback(enricher.close)
        if source is None:
            built: list[Source] = [attempt("source", o.type, o.build) for o in options.sources]
            if len(built) == 1:
                source = built[0]
            else:
                from agenttrail.sources._merge import MergedSource

                source = MergedSource(built)
        stack.callback(source.close)
        screen = stack.enter_context(Screen(source, quiet=quiet))
        stop = stack.enter_context(Stopper())
        tally = Tally()
        chosen: dict[str, str] = {}
        runner: Runner

        told: Counter[str] = Counter()

        def choose(path: str, name: str, reason: str) -> None:
            chosen[path] = name
            if name:
                told[name] += 1
                if told[name] <= _FILES_TOLD:
                    screen.say(f"{path}: read as {name} ({reason})")
            else:
                runner.say(
                    f"{path}: {reason}; left out. Name the format with --format", failed=True
                )

        form: Format = (
            options.format.build(choose=choose)
            if isinstance(options.format, AutoOptions)
            else options.format.build()
        )
        runner = Runner(
            source=source, format=form, mask=mask, sinks=sinks,
            enrichers=enrichers,
            settings=Settings(**asdict(options.delivery)), stop=stop, observe=tally.add,
            progress=screen.progress, notice=screen.say,
        )  # fmt: skip
        outcome = runner.run()
        for name, files in told.items():
            if files > _FILES_TOLD:
                screen.say(f"{files - _FILES_TOLD:,} more files: read as {name}")
        if outcome.failure is None and not outcome.stopped:
            for sink in sinks.values():
                if isinstance(sink, Finishing):
                    sink.finish()
    seconds = time.monotonic() - started
    if as_json:
        report = describe(outcome, tally, chosen, seconds, time.process_time() - cpu)
        sys.stdout.write(json.dumps(report) + "\n")
    if not quiet:
        _print_summary(outcome, tally, options, seconds)
    if outcome.failure is not None:
        raise outcome.failure
    # What a sink will never take and what could not be masked is kept, but it is not delivered.
    short = outcome.counts.events_rejected.total() + outcome.counts.events_quarantined
    return 1 if outcome.failed or short else 0


def describe(
    outcome: Outcome, tally: Tally, chosen: dict[str, str], seconds: float, cpu_s: float
) -> dict[str, Any]:
    """The end of a run as one JSON object; counts only, never content."""
    counts = outcome.counts
    return {
        "lines": {
            "read": counts.lines_read, "used": counts.lines_used, "held": counts.lines_held,
            "failed": counts.lines_failed, "dropped": dict(counts.lines_dropped),
        },
        "events": {
            "made": counts.events_made, "delivered": counts.events_delivered,
            "quarantined": counts.events_quarantined, "undelivered": counts.events_undelivered,
            "rejected": dict(counts.events_rejected), "dropped": dict(counts.events_dropped),
        },
        "balanced": not counts.balance(),
        "bytes_read": counts.bytes_read, "retries": counts.retries,
        "formats": chosen or None, "by_format": dict(tally.formats),
        "unreadable": sum(tally.unreadable.values()), "suspects": tally.suspects(),
        "actions": dict(tally.actions), "outcomes": dict(tally.outcomes),
        "tools": dict(tally.tools), "masked": dict(tally.masked),
        "kept": dict(tally.kept),
        "tokens": {name.rsplit(".", 1)[-1]: count for name, count in tally.usage.items()},
        "notices": outcome.notices, "stopped": outcome.stopped,
        "failure": outcome.failure.message if outcome.failure else None,
        "seconds": round(seconds, 3), "cpu_seconds": round(cpu_s, 3),
    }  # fmt: skip


def _print_summary(
    outcome: Outcome, tally: Tally, options: PipelineOptions, seconds: float
) -> None:
    counts = outcome.counts
    out = sys.stderr.write

    def listed(counter: Counter[str]) -> str:
        return ", ".join(f"{name} {count:,}" for name, count in counter.most_common(12))

    def row(title: str, text: str) -> None:
        out(f"{title:<9} {text}\n")

    def part(count: int, word: str, detail: str = "") -> str:
        return f" + {count:,} {word}{f' ({detail})' if detail else ''}" if count else ""

    row(
        "lines",
        f"{counts.lines_read:,} read = {counts.lines_used:,} used"
        + part(counts.lines_dropped.total(), "dropped", listed(counts.lines_dropped))
        + part(counts.lines_held, "held for a later line")
        + part(counts.lines_failed, "failed"),
    )
    row(
        "events",
        f"{counts.events_made:,} made = {counts.events_delivered:,} delivered"
        + part(counts.events_dropped.total(), "dropped", listed(counts.events_dropped))
        + part(counts.events_rejected.total(), "rejected", listed(counts.events_rejected))
        + part(counts.events_quarantined, "delivered without content, masking failed")
        + part(counts.events_undelivered, "not delivered, read again by the next run"),
    )
    if tally.masked:
        row("masked", listed(tally.masked))
    if tally.kept:
        row("kept", listed(tally.kept))
    if tally.unreadable:
        row("unreadable", f"{sum(tally.unreadable.values()):,} lines, kept masked under agenttrail.source.raw")  # fmt: skip
    for suspect in tally.suspects():
        row("WARNING", suspect)
    if counts.events_rejected:
        row("rejects", f"kept masked in {options.delivery.dead_letter}")
    rate = counts.bytes_read / 1e6 / seconds if seconds else 0.0
    row("time", f"{seconds:.1f} s, {rate:.2f} MB/s" + (" (stopped)" if outcome.stopped else ""))


def run_source(source: Source, arguments: argparse.Namespace) -> int:
    """Runs a pipeline over a source that is already running (a tap); gives the exit code.

    `arguments` have `config` (its sources are not read) or `output`.
    """
    if arguments.config is not None:
        options = config.load(arguments.config)
    else:
        options = PipelineOptions(
            sources=(TapOptions(),), format=McpWireOptions(),
            sinks=(JsonlOptions(path=arguments.output),),
        )  # fmt: skip
    return run_pipeline(options, quiet=True, source=source)
