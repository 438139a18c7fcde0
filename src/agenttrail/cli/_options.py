"""Command-line options that several verbs share, and the pipeline they stand for.

The components are imported where they are needed: every `--help` passes through here.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from agenttrail.errors import UsageError

if TYPE_CHECKING:
    from agenttrail.config import PipelineOptions
    from agenttrail.masks import MaskOptions
    from agenttrail.sinks import SinkOptions
    from agenttrail.sources import SourceOptions


def add_output(parser: argparse.ArgumentParser) -> None:
    """`--output`, `--elasticsearch` and `--otlp`."""
    parser.add_argument(
        "-o", "--output", metavar="FILE",
        help="write JSON Lines to FILE, put in place when the run ends well; - is standard output (the default)",
    )  # fmt: skip
    parser.add_argument("--elasticsearch", metavar="URL", help="ship to this Elasticsearch")
    parser.add_argument("--otlp", metavar="URL", help="ship to this OTLP/HTTP endpoint, as logs")


def add_format(parser: argparse.ArgumentParser) -> None:
    """`--format`."""
    parser.add_argument(
        "-f", "--format", default="auto", metavar="FORMAT",
        help="how lines are read; auto (the default) looks at each file's first lines. See: agenttrail list",
    )  # fmt: skip


def add_profile(parser: argparse.ArgumentParser) -> None:
    """`--profile`."""
    parser.add_argument(
        "--profile", choices=("stock", "balanced", "fast"),
        help="how text is masked: as Presidio comes, balanced for logs (the default), or fast, without names",
    )  # fmt: skip


def mask(arguments: argparse.Namespace) -> MaskOptions:
    """The mask that the options stand for.

    Raises:
        UsageError: an option that a configuration file has to say.
    """
    from agenttrail.masks.presidio import PresidioOptions

    if arguments.profile is None:
        return PresidioOptions()
    if arguments.config is not None:
        raise UsageError("--profile has no effect with --config", hint="say it in the file")
    return PresidioOptions(profile=arguments.profile)


def component(stage: str, name: str) -> Any:
    """The default options of a component that needs none.

    Raises:
        UsageError: there is no such component, or it needs options.
    """
    from agenttrail import config

    known = config.members(config.STAGES[stage])
    if name not in known:
        raise UsageError(
            f"no {stage} is called '{name}'", hint=f"known: {', '.join(sorted(known))}"
        )
    try:
        return known[name]()
    except TypeError:
        raise UsageError(
            f"{stage} {name} needs options", hint=f"agenttrail explain {name}"
        ) from None


def sinks(arguments: argparse.Namespace, *, append: bool) -> tuple[SinkOptions, ...]:
    """What the output options say; standard output where they say nothing."""
    from agenttrail.sinks.elasticsearch import ElasticsearchOptions
    from agenttrail.sinks.jsonl import JsonlOptions
    from agenttrail.sinks.otlp import OtlpOptions

    made: list[SinkOptions] = []
    if arguments.output is not None:
        mode = "append" if append or arguments.output == "-" else "replace"
        made.append(JsonlOptions(path=arguments.output, mode=mode))  # type: ignore[arg-type]
    if arguments.elasticsearch:
        made.append(ElasticsearchOptions(url=arguments.elasticsearch))
    if arguments.otlp:
        made.append(OtlpOptions(endpoint=arguments.otlp))
    return tuple(made) or (JsonlOptions(path="-"),)


def pipeline(arguments: argparse.Namespace) -> PipelineOptions:
    """The pipeline of `-c`, or the one that the other options stand for.

    Raises:
        UsageError: options that do not go together.
        ConfigError: the file's problems.
    """
    from agenttrail import config
    from agenttrail.sources.file import FileOptions
    from agenttrail.sources.stdin import StdinOptions

    given = [
        name for name in ("input", "output", "elasticsearch", "otlp", "follow", "checkpoint", "profile")
        if getattr(arguments, name, None)
    ]  # fmt: skip
    if arguments.config is not None:
        if given:
            raise UsageError(f"--{given[0]} has no effect with --config", hint="say it in the file")
        return config.load(arguments.config)
    if not arguments.input:
        raise UsageError("nothing to read", hint="--input PATH…, --input - or -c pipeline.yaml")
    follow, checkpoint = arguments.follow, arguments.checkpoint
    if follow and not checkpoint:
        raise UsageError("--follow needs --checkpoint FILE", hint="a restart would read all again")
    source: SourceOptions
    if arguments.input == ["-"]:
        if follow or checkpoint:
            raise UsageError("--follow and --checkpoint have no effect on standard input")
        source = StdinOptions()
    elif "-" in arguments.input:
        raise UsageError("--input - stands alone")
    else:
        source = FileOptions(paths=tuple(arguments.input), follow=follow, checkpoint=checkpoint)
    return config.PipelineOptions(
        sources=(source,), format=component("format", arguments.format), mask=mask(arguments),
        sinks=sinks(arguments, append=bool(checkpoint)),
        delivery=config.DeliveryOptions(retry_for_s=None if follow else 300.0),
    )  # fmt: skip
