"""The laws of the house: who may import whom, what a component must have, what may not be written."""

import ast
import importlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agenttrail import config
from agenttrail import fields as f
from agenttrail.cli import VERBS
from agenttrail.formats.auto import KNOWN

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "agenttrail"
STAGES = ("sources", "formats", "enrichers", "masks", "sinks")
GROUND = {"seams", "fields", "shapes", "errors", "jsontext", "decode", "keys", "__version__"}
HEAVY = (
    "presidio_analyzer", "presidio_anonymizer", "spacy", "elasticsearch", "elastic_transport",
    "grpc", "requests", "opentelemetry", "zstandard", "rich", "numpy", "google",
)  # fmt: skip
MODULES = sorted(SOURCE.rglob("*.py"))


def ours(path: Path) -> list[tuple[str, str]]:
    """What a module imports of ours: top-level name and whole name; typing-only imports left out."""
    found = []
    for node in ast.walk(_without_typing_blocks(ast.parse(path.read_text()))):
        if isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "agenttrail":
                found += [(alias.name, f"agenttrail.{alias.name}") for alias in node.names]
            elif node.module.startswith("agenttrail."):
                found.append((node.module.split(".")[1], node.module))
            assert node.level == 0, f"{path}: imports are absolute"
        elif isinstance(node, ast.Import):
            found += [
                (alias.name.split(".")[1], alias.name)
                for alias in node.names
                if alias.name.startswith("agenttrail.")
            ]
    return found


def _without_typing_blocks(tree: ast.Module) -> ast.Module:
    class Typing(ast.NodeTransformer):
        def visit_If(self, node: ast.If) -> ast.AST | None:
            named = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
            return None if named else self.generic_visit(node)

    return ast.fix_missing_locations(Typing().visit(tree))


def name_of(path: Path) -> str:
    return str(path.relative_to(SOURCE))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_follow_the_table(path: Path) -> None:
    """Data flows down the list; a stage knows the ground only, never another stage."""
    room = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    allowed: set[str] | None = {
        "seams": set(), "errors": set(), "jsontext": set(), "decode": {"errors"}, "keys": {"errors"}, "shapes": set(), "fields": {"shapes"}, "__init__": set(),
        "testing": {"seams"}, "runner": {"seams", "errors"}, "relay": {"seams", "errors"}, "spool": {"seams", "errors"},
        "config": {"errors", "fields", "decode", *STAGES}, "cli": None, "__main__": {"cli"},
        **{stage: GROUND | {stage} for stage in STAGES},
        "recognizers": {"recognizers"}, "masks": GROUND | {"masks", "recognizers"},
        "masking": GROUND | {"masks"}, "logging": GROUND | {"masking"}, "guard": GROUND | {"masks", "masking"},
        "governance": GROUND | {"governance"}, "enrichers": GROUND | {"enrichers", "governance"},
        "insight": GROUND | {"insight", "governance"}, "packs": GROUND | {"packs", "governance"},
        "simulate": GROUND | {"simulate", "governance"}, "doctor": GROUND | {"doctor"},
        "canary": GROUND | {"canary"}, "otel": GROUND | {"otel", "masking", "masks", "recognizers", "formats"},
    }[room]  # fmt: skip
    for top, whole in ours(path):
        assert allowed is None or top in allowed, f"{name_of(path)} may not import {whole}"
        assert top != "cli" or room in ("cli", "__main__"), "nothing imports cli"


@pytest.mark.parametrize(
    "path", [p for s in STAGES for p in sorted((SOURCE / s).glob("*.py"))], ids=name_of
)
def test_siblings_never_import_one_another(path: Path) -> None:
    """Shared code of a folder is in `_<name>.py`; the folder's union alone knows all components."""
    if path.name == "__init__.py":
        return
    for _, whole in ours(path):
        parts = whole.split(".")
        if len(parts) > 2 and parts[1] == path.parent.name:
            assert parts[2].startswith("_"), f"{name_of(path)} imports its sibling {whole}"


def component_files() -> list[Path]:
    return [
        path for stage in STAGES for path in sorted((SOURCE / stage).glob("*.py"))
        if not path.name.startswith("_")
    ]  # fmt: skip


@pytest.mark.parametrize("path", component_files(), ids=name_of)
def test_a_component_is_in_its_folders_union_and_has_a_test(path: Path) -> None:
    """Adding one means the file, its test and one name in the union: this names what was forgotten."""
    stage, name = path.parent.name, path.stem
    members = config.members(config.STAGES[stage.removesuffix("s")])
    assert name in members, f"add its options to the union in {stage}/__init__.py"
    cls = members[name]
    assert cls.__module__ == f"agenttrail.{stage}.{name}", (
        "the options stand in the component's file"
    )
    role = "".join(part.capitalize() for part in name.split("_"))
    assert cls.__name__ == f"{role}Options"
    assert cls.__dataclass_params__.frozen, f"{cls.__name__} must be frozen"
    assert (ROOT / "tests" / stage / f"test_{name}.py").exists(), (
        f"write tests/{stage}/test_{name}.py"
    )
    if stage == "formats" and name not in ("auto", "jsonl"):
        assert callable(importlib.import_module(cls.__module__).sniff), (
            "auto asks sniff(lines, path)"
        )
        assert name in KNOWN, "add it to KNOWN in formats/auto.py"
    if stage == "formats" and name != "auto":
        cases = list((ROOT / "tests" / "golden" / name).glob("*.in.*"))
        assert cases, f"put a golden case into tests/golden/{name}/"


def test_every_union_member_has_its_file() -> None:
    """The other direction."""
    for stage, union in config.STAGES.items():
        for name in config.members(union):
            assert (SOURCE / f"{stage}s" / f"{name}.py").exists()


def test_help_imports_nothing_heavy() -> None:
    """`agenttrail --help` and the configuration start without Presidio, spaCy or an HTTP client."""
    program = (
        "import sys, agenttrail.cli, agenttrail.config\n"
        "agenttrail.cli.parser().format_help()\n"
        f"print([n for n in {HEAVY!r} if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.decode().strip() == "[]"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_field_names_are_written_in_the_registry_only(path: Path) -> None:
    """A literal like "gen_ai.tool.name" would outlive a rename."""
    # What simulate writes are other programs' logs: their names do not change with ours.
    if path.name == "fields.py" or path.parent.name == "simulate":
        return
    tree = ast.parse(path.read_text())
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "." in node.value:
            known = node.value in f.FIELDS and id(node) not in docstrings
            assert not known, f"{name_of(path)}:{node.lineno}: use the constant for {node.value}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_only_masks_make_masked_events(path: Path) -> None:
    """Nothing reaches a sink unmasked: nobody else can make what a sink takes."""
    if path.parent.name == "masks":
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            assert name not in ("MaskedEvent", "MaskedExport"), f"{name_of(path)}:{node.lineno}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_says_what_it_does_and_stays_readable(path: Path) -> None:
    """A docstring first; at most 500 lines; no note to self."""
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text)), f"{name_of(path)} has no docstring"
    assert len(text.splitlines()) <= 500, f"{name_of(path)}: split it"
    assert not re.search(r"\b(TODO|FIXME|XXX|HACK)\b", text)


# Who may speak to the network beside sinks: what is named, and nothing else of its room.
NETWORK = {
    # Tells an address of the operator's that something was stopped: names and verdicts, no event content.
    "governance/webhook.py": {"http"},
    # Listens, on loopback unless told otherwise, and answers with names and verdicts.
    "cli/verdicts.py": {"http"},
    # Listens, and does nothing else.
    "sources/_otlp_server.py": {"grpc", "ssl"},
    # Answers a health check of the process beside it.
    "cli/hop.py": {"http"},
    # Send made-up data to where the user says, and look for it where the user says.
    "canary/send.py": {"http", "socket"},
    "canary/find.py": {"http", "ssl"},
}


def test_no_egress_at_run_time_is_spelled_out() -> None:
    """Only sinks, and what NETWORK names, touch the network."""
    speaks = {"requests", "urllib3", "httpx", "socket", "grpc", "http", "smtplib", "ftplib", "ssl"}
    for path in MODULES:
        if path.parent.name in ("sinks",):
            continue
        allowed = NETWORK.get(name_of(path), set())
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                module = getattr(node, "module", None) or ""
                whole = {module, *(alias.name for alias in node.names)}
                names = {name.split(".")[0] for name in whole} | {
                    "http" for name in whole if name == "urllib.request"
                }
                assert not (names & speaks) - allowed, name_of(path)


def committed() -> Iterator[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False
    ).stdout.split(b"\0")
    for name in listed:
        path = ROOT / os.fsdecode(name)
        if name and path.is_file():
            yield path


def test_the_tree_names_no_machine_and_no_registry() -> None:
    """No host of a package registry, no path of the machine it was written on."""
    hosts = "|".join(
        [r"pypi\.(?:org|python)", r"files\.pythonhosted", r"registry\.npmjs", r"repo1?\.maven",
         r"proxy\.golang", r"deb\.debian", r"crates\.io/api"]
    )  # fmt: skip
    machine = "|".join(["/work" + "/main", "/root" + "/", "/work" + "/shared"])
    for path in committed():
        if path == Path(__file__) or path.suffix in (".png", ".gz", ".zst"):
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        found = re.search(f"{hosts}|{machine}", text)
        assert not found, f"{path.relative_to(ROOT)}: {found.group() if found else ''}"


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_its_test(verb: str) -> None:
    """tests/cli/test_<verb>.py, the installed command in a temporary folder."""
    name = verb.rstrip("_")
    assert (ROOT / "tests" / "cli" / f"test_{name}.py").exists(), f"write tests/cli/test_{name}.py"
