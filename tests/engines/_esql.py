"""ES|QL for the Elasticsearch of the tests.

The integration-test distribution lacks its modules, and Maven has them with most of what they need. Three
things that a released Elasticsearch has are in no registry, so what uses them does not work here: Painless
(scripts), machine learning (CATEGORIZE) and the H3 grid (ST_GEOHEX). ES|QL's descriptor is therefore
written without the first two.
"""

from __future__ import annotations

import os
import re
import shutil
import zipfile
from pathlib import Path

from tests.engines._java import fetch_with_dependencies
from tests.engines._process import say

_GROUP = "org.elasticsearch.plugin"
# Modules and their jars; the server has the others, and ES|QL sees what ES|QL's core has.
_MODULES = {
    "x-pack-esql-core": ("x-pack-esql-core", "x-pack-mapper-version", "antlr4-runtime"),
    "x-pack-esql": (
        "x-pack-esql", "x-pack-esql-compute", "x-pack-esql-compute-ann", "x-pack-kql",
        "elasticsearch-dissect", "lucene-spatial3d", "flatbuffers-java",
        "arrow", "arrow-format", "arrow-memory-core", "arrow-vector",
    ),
}  # fmt: skip
_ABSENT = re.compile(r"^(extended\.plugins=.*?),lang-painless,x-pack-ml$", re.MULTILINE)


def with_modules(plain: Path, version: str) -> Path:
    """A copy of the distribution with the modules, beside it; the files that are the same are linked.

    Raises:
        MissingError: mvn is not here.
        RuntimeError: the modules could not be fetched.
    """
    home = plain.with_name(f"{plain.name}-esql")
    if home.exists():
        return home
    say("fetching ES|QL for Elasticsearch (12 MB)")
    made = plain.with_name(f"{plain.name}-esql-fetch")
    shutil.rmtree(made, ignore_errors=True)
    shutil.copytree(plain, made, copy_function=os.link)
    jars = made / "fetched"
    jars.mkdir()
    fetch_with_dependencies(
        [
            f"{_GROUP}:{name}:{version}"
            for name in (*_MODULES, "x-pack-kql", "x-pack-mapper-version")
        ],
        jars,
        without=["org.elasticsearch:elasticsearch-h3"],
    )
    for name, needed in _MODULES.items():
        module = made / "modules" / name
        module.mkdir()
        with zipfile.ZipFile(jars / f"{name}-{version}.jar") as jar:
            text = jar.read(f"META-INF/es-plugins/{name}/plugin-descriptor.properties").decode()
        (module / "plugin-descriptor.properties").write_text(_ABSENT.sub(r"\1", text))
        for each in needed:
            (found,) = jars.glob(f"{each}-[0-9]*.jar")
            os.link(found, module / found.name)
    shutil.rmtree(jars)
    made.rename(home)
    say("ES|QL is ready")
    return home
