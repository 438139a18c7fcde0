"""Parsers of KQL (Kusto) and LogQL, the ones that their makers' own editors use, run by Node.js.

- KQL: `@kusto/language-service-next` 12.4.1 of Microsoft, behind the editors of Azure Data Explorer and
  Sentinel. It checks names and types against the schema of a table too.
- LogQL: `@grafana/lezer-logql` 0.4.2 of Grafana Labs, behind Grafana's query editor: the grammar, and
  nothing about data.

`parsers/package-lock.json` pins both by hash. Node.js 18 or newer runs them.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.engines._process import cache_folder, carry_out, locked, say, tool

_FILES = Path(__file__).parent / "parsers"
_HINT = "apt-get install nodejs npm"


@dataclass(frozen=True)
class Parsed:
    """What a parser says of one query: its errors, and the columns or labels that it asks about."""

    errors: tuple[str, ...]
    names: tuple[str, ...]


def prepare() -> Path:
    """The folder with the packages, installed the first time (32 MB).

    Raises:
        MissingError: node or npm is not here.
        RuntimeError: the packages could not be installed.
    """
    tool("node", _HINT)
    npm = tool("npm", _HINT)
    lock = (_FILES / "package-lock.json").read_bytes()
    home = cache_folder() / f"query-parsers-{hashlib.sha256(lock).hexdigest()[:12]}"
    with locked("query-parsers"):
        if not home.exists():
            say("fetching parsers of KQL and LogQL (32 MB)")
            fetched = cache_folder() / "query-parsers-fetch"
            shutil.rmtree(fetched, ignore_errors=True)
            fetched.mkdir()
            for name in ("package.json", "package-lock.json"):
                shutil.copy(_FILES / name, fetched)
            # The grammar's package asks for a newer Node.js than it needs.
            options = ["--ignore-scripts", "--no-audit", "--no-fund", "--engine-strict=false"]
            carry_out([npm, "ci", "--loglevel=error", *options], cwd=fetched)
            fetched.rename(home)
    return home


def kql(queries: Mapping[str, str], tables: Mapping[str, Mapping[str, str]]) -> dict[str, Parsed]:
    """KQL against tables, each a mapping of columns to types of Kusto."""
    schemas = {
        name: "(" + ", ".join(f"['{column}']: {kind}" for column, kind in columns.items()) + ")"
        for name, columns in tables.items()
    }
    return _parsed({"language": "kql", "tables": schemas, "queries": dict(queries)})


def logql(queries: Mapping[str, str]) -> dict[str, Parsed]:
    """LogQL."""
    return _parsed({"language": "logql", "queries": dict(queries)})


def _parsed(asked: Mapping[str, object]) -> dict[str, Parsed]:
    home = prepare()
    # Beside the packages, so that Node.js finds them.
    script = home / f"parse-{hashlib.sha256((_FILES / 'parse.cjs').read_bytes()).hexdigest()[:12]}.cjs"  # fmt: skip
    if not script.exists():
        shutil.copy(_FILES / "parse.cjs", script)
    done = subprocess.run(
        [tool("node", _HINT), script], input=json.dumps(asked), capture_output=True, text=True,
        check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return {
        name: Parsed(tuple(each["errors"]), tuple(each["names"]))
        for name, each in json.loads(done.stdout).items()
    }
