"""A Java of the right age, and what Maven brings, for the engines that run on it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.engines._process import MissingError, carry_out, tool

MAVEN_HINT = "apt-get install maven"
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"
_COPY_ALL = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"


def home(least: int, most: int, package: str = "jre-headless") -> Path:
    """The home of a Java of a major version from `least` to `most`.

    Args:
        package: the part of it that is told to be installed where there is none.

    Raises:
        MissingError: there is none.
    """
    homes = [
        Path(os.environ[name]) for name in ("ES_JAVA_HOME", "JAVA_HOME") if os.environ.get(name)
    ]
    java = shutil.which("java")
    if java:
        homes.append(Path(java).resolve().parents[1])
    homes += sorted(Path("/usr/lib/jvm").glob("*"))
    for each in homes:
        if (each / "bin" / "java").exists() and least <= _major(each / "bin" / "java") <= most:
            return each
    raise MissingError(
        f"Java {least} is not installed", f"apt-get install openjdk-{least}-{package}"
    )


def _major(java: Path) -> int:
    answer = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    found = re.search(r'version "(\d+)', answer.stderr)
    return int(found[1]) if found else 0


def fetch(artifact: str, folder: Path) -> None:
    """One artifact, GROUP:NAME:VERSION:TYPE, into a folder.

    Raises:
        MissingError: mvn is not here.
        RuntimeError: it could not be fetched.
    """
    mvn = tool("mvn", MAVEN_HINT)
    arguments = [f"-Dartifact={artifact}", f"-DoutputDirectory={folder}"]
    carry_out([mvn, "-B", "-q", _COPY, *arguments], cwd=folder)


def fetch_with_dependencies(
    artifacts: Sequence[str], folder: Path, without: Sequence[str] = ()
) -> None:
    """Artifacts, GROUP:NAME:VERSION, and all that they need at run time, into a folder.

    Args:
        without: GROUP:NAME of what is left out of what they need.

    Raises:
        MissingError: mvn is not here.
        RuntimeError: they could not be fetched.
    """
    mvn = tool("mvn", MAVEN_HINT)

    def named(artifact: str) -> str:
        parts = zip(("groupId", "artifactId", "version"), artifact.split(":"), strict=False)
        return "".join(f"<{tag}>{text}</{tag}>" for tag, text in parts)

    left_out = "".join(f"<exclusion>{named(each)}</exclusion>" for each in without)
    needed = "".join(
        f"<dependency>{named(each)}<exclusions>{left_out}</exclusions></dependency>"
        for each in artifacts
    )
    (folder / "pom.xml").write_text(
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        f"{named('agenttrail:engines:1')}<dependencies>{needed}</dependencies></project>"
    )
    arguments = ["-DincludeScope=runtime", f"-DoutputDirectory={folder}"]
    carry_out([mvn, "-B", "-q", _COPY_ALL, *arguments], cwd=folder)
    (folder / "pom.xml").unlink()
