"""`agenttrail setup elasticsearch`: installs what a destination needs before the first event."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from agenttrail.errors import UsageError


def add(verbs: Any) -> None:
    """Adds the verb."""
    parser = verbs.add_parser(
        "setup",
        help="install what a destination needs before the first event",
        description="Installs the index template of the data stream logs-agenttrail.audit-*, made from the field registry. Running it again changes only what differs.",
    )
    parser.add_argument("what", choices=("elasticsearch",), help="the destination")
    parser.add_argument("--url", metavar="URL", help="address of the server (default: AGENTTRAIL_ELASTICSEARCH_URL)")  # fmt: skip
    parser.add_argument("-c", "--config", metavar="FILE", help="use every elasticsearch sink of this pipeline instead")  # fmt: skip
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, change nothing")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="the requests as JSON on standard output")  # fmt: skip
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """0 where all is in place now (or would be)."""
    import os

    from agenttrail import config
    from agenttrail.sinks.elasticsearch import ElasticsearchOptions

    if arguments.config and arguments.url:
        raise UsageError("--url has no effect with --config")
    if arguments.config:
        options = [
            sink for sink in config.load(arguments.config).sinks
            if isinstance(sink, ElasticsearchOptions)
        ]  # fmt: skip
        if not options:
            raise UsageError(f"{arguments.config} has no elasticsearch sink")
    else:
        url = arguments.url or os.environ.get("AGENTTRAIL_ELASTICSEARCH_URL")
        if not url:
            raise UsageError(
                "which Elasticsearch?", hint="--url http://127.0.0.1:9200, or -c pipeline.yaml for users, keys and TLS"
            )  # fmt: skip
        options = [ElasticsearchOptions(url=url)]
    made: list[dict[str, Any]] = []
    for option in options:
        sink = option.build()
        try:
            changes = sink.install(dry_run=arguments.dry_run)
        finally:
            sink.close()
        for change in changes:
            word = f"would be {change.state}" if arguments.dry_run and change.state != "unchanged" else change.state  # fmt: skip
            sys.stderr.write(f"{change.method} {change.path}: {word}\n")
            made.append(
                {"method": change.method, "path": change.path, "body": change.body, "state": change.state}
            )  # fmt: skip
    if arguments.json:
        sys.stdout.write(json.dumps(made) + "\n")
    return 0
