"""YAML text to frozen options, or all problems at once with file:line and a hint.

The unions of the stage folders say which components there are; their options are read by `decode`.
The decoder, the JSON Schema, `agenttrail list` and `explain` read nothing else.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlsplit

from agenttrail.decode import Option, decode, members, options_of, read, schema, text_of
from agenttrail.enrichers import EnricherOptions
from agenttrail.errors import OptionError
from agenttrail.formats import FormatOptions
from agenttrail.formats.auto import AutoOptions
from agenttrail.masks import MaskOptions
from agenttrail.masks.presidio import PresidioOptions
from agenttrail.sinks import SinkOptions
from agenttrail.sinks.otlp import OtlpOptions as OtlpSinkOptions
from agenttrail.sources import SourceOptions
from agenttrail.sources.file import FileOptions
from agenttrail.sources.otlp import OtlpOptions as OtlpSourceOptions

__all__ = [
    "STAGES", "DeliveryOptions", "HopOptions", "Option", "PipelineOptions", "decode", "json_schema",
    "load", "load_hop", "loads", "members", "options_of",
]  # fmt: skip

STAGES: dict[str, Any] = {
    "source": SourceOptions,
    "format": FormatOptions,
    "enricher": EnricherOptions,
    "mask": MaskOptions,
    "sink": SinkOptions,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryOptions:
    """Batches, retries and what is kept of what cannot be delivered."""

    batch_events: Annotated[int, "Most events in one batch."] = 500
    batch_bytes: Annotated[
        int, "Most raw bytes in one batch; less where masking them would take longer than flush_s."
    ] = 8_000_000
    flush_s: Annotated[float, "Longest time an event waits for its batch to fill, in seconds."] = (
        1.0
    )
    retry_for_s: Annotated[
        float | None,
        "How long one batch is tried again before the run gives up, in seconds; nothing is lost, the next run sends it. Null never gives up.",
    ] = 300.0
    dead_letter: Annotated[
        str,
        "JSON Lines file for masked events that a sink will never take, with sink and reason.",
    ] = "agenttrail-dead-letter.jsonl"
    quarantine: Annotated[
        str | None,
        "File that keeps the raw lines whose masking failed. It holds unmasked data (mode 0600); null keeps none, the envelope goes on either way.",
    ] = None

    def __post_init__(self) -> None:
        for name in ("batch_events", "batch_bytes"):
            if getattr(self, name) < 1:
                raise OptionError(name, "must be at least 1")
        for name in ("flush_s", "retry_for_s"):
            if getattr(self, name) is not None and getattr(self, name) < 0:
                raise OptionError(name, "must not be negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineOptions:
    """A whole pipeline: where lines come from, how they are read and masked, where they go."""

    sources: Annotated[tuple[SourceOptions, ...], "Where lines come from."]
    format: Annotated[FormatOptions, "How lines are read."] = dataclasses.field(
        default_factory=AutoOptions
    )
    enrichers: Annotated[tuple[EnricherOptions, ...], "What is added, in this order."] = ()
    mask: Annotated[MaskOptions, "How personal data is masked; there is always one."] = (
        dataclasses.field(default_factory=PresidioOptions)
    )
    sinks: Annotated[tuple[SinkOptions, ...], "Where masked events go."]
    delivery: Annotated[DeliveryOptions, "Batches and retries."] = DeliveryOptions()

    def __post_init__(self) -> None:
        if not self.sources:
            raise OptionError("sources", "at least one source is needed")
        if not self.sinks:
            raise OptionError("sinks", "at least one sink is needed")
        checkpoints = [c for s in self.sources if (c := getattr(s, "checkpoint", None))]
        if len(set(checkpoints)) < len(checkpoints):
            raise OptionError("sources", "two sources share one checkpoint file")
        self._check_files()

    def _check_files(self) -> None:
        """Nothing is written twice, and nothing that is written is read again."""
        places: dict[str, int] = {}
        for number, sink in enumerate(self.sinks):
            for path in getattr(sink, "writes", tuple)():
                other = places.setdefault(os.path.realpath(path), number)
                if other != number:
                    raise OptionError("sinks", f"sinks[{other}] and sinks[{number}] write {path}")
        kept = (self.delivery.dead_letter, self.delivery.quarantine)
        for number, source in enumerate(self.sources):
            if not isinstance(source, FileOptions):
                continue
            # What is kept aside is read again only by a source that goes on looking.
            aside = [path for path in kept if path is not None and source.follow]
            for option, paths in (("sinks", list(places)), ("delivery", aside)):
                for path in paths:
                    if source.reads(path):
                        raise OptionError(
                            option, f"{os.path.relpath(path)} is what sources[{number}] reads",
                            hint="write it elsewhere, or name it under the source's exclude",
                        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class HopOptions:
    """A hop: OpenTelemetry logs and traces come in, and go on as they are, but masked."""

    listen: Annotated[OtlpSourceOptions, "Where collectors and SDKs send to."] = dataclasses.field(
        default_factory=OtlpSourceOptions
    )
    mask: Annotated[MaskOptions, "How personal data is masked; there is always one."] = (
        dataclasses.field(default_factory=PresidioOptions)
    )
    mask_timeout_s: Annotated[
        float,
        "How long masking a piece of a request (64 KB, or one larger item) may take, in seconds; then its process is replaced, and what fails again alone goes on without content.",
    ] = 60.0
    forward: Annotated[OtlpSinkOptions, "Where masked logs and traces go."]
    spool: Annotated[
        str | None,
        "Folder that keeps masked requests until they are delivered; senders are answered when they are in it. Null answers when the destination has them.",
    ] = None
    spool_bytes: Annotated[
        int, "Most bytes in the spool; when it is full, senders are told to come again."
    ] = 1_000_000_000
    health: Annotated[
        str | None,
        "HOST:PORT of this machine for GET /healthz (counters as JSON) and /metrics (Prometheus).",
    ] = None

    def __post_init__(self) -> None:
        if self.forward.resource:
            raise OptionError("forward", "resource has no effect: resources go on as they are")
        path = urlsplit(self.forward.endpoint).path
        if path not in ("", "/") and not path.endswith("/v1/logs"):
            raise OptionError("forward", "a path of the endpoint must end in /v1/logs", hint="traces go to /v1/traces beside it")  # fmt: skip
        for name in ("spool_bytes", "mask_timeout_s"):
            if getattr(self, name) <= 0:
                raise OptionError(name, "must be positive")
        ours = {self.listen.grpc, self.listen.http} - {None}
        if self.health in ours:
            raise OptionError("health", "is an address that listen has")
        if self.health is not None:
            host, _, port = self.health.rpartition(":")
            if host not in ("127.0.0.1", "localhost", "[::1]") or not _is_port(port):
                raise OptionError("health", "must be 127.0.0.1:PORT: counters are for this machine")
        if urlsplit(self.forward.endpoint).netloc in ours:
            raise OptionError("forward", "is where the hop listens: it would feed itself")


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and int(text) < 65_536


def load(path: str, environment: Mapping[str, str] | None = None) -> PipelineOptions:
    """The pipeline that a YAML file describes.

    Raises:
        ConfigError: everything that is wrong with it, at once.
    """
    return loads(text_of(path), path, environment)


def load_hop(path: str, environment: Mapping[str, str] | None = None) -> HopOptions:
    """As `load`, for the file of a hop."""
    value: HopOptions = read(path, HopOptions, environment)
    return value


def loads(
    text: str, path: str = "<text>", environment: Mapping[str, str] | None = None
) -> PipelineOptions:
    """As `load`, for text; `path` stands in the messages."""
    value: PipelineOptions = decode(text, path, PipelineOptions, environment)
    return value


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a pipeline file, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "agenttrail pipeline",
        **schema(PipelineOptions),
    }
