"""The laws of collectors/: every folder can be followed, checked and removed, and passes our own doctor."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from agenttrail.doctor._files import KINDS
from agenttrail.doctor._finding import Asked, ConfigFile
from tests.collectors._program import COLLECTORS

FOLDERS = sorted(p for p in COLLECTORS.iterdir() if p.is_dir() and p.name != "__pycache__")
# Configurations of what doctor knows; a whole list a folder where its files are one configuration.
CONFIGS = {
    "fluent_bit": [["fluent-bit.yaml"], ["fluent-bit.conf"]],
    "kubernetes": [["daemonset.yaml"]],
    "logstash": [["agents.conf", "logstash.yml"]],
    "otel_collector": [["config.yaml"]],
    "rsyslog": [["agenttrail.conf"]],
    "syslog_ng": [["agenttrail.conf"]],
    "vector": [["vector.yaml"]],
}


# What would make a bypass of each: a pattern, and what stands there instead.
BYPASSES = {
    "fluent_bit": (r"(match:?\s+)agenttrail\.\*", r"\1agents.*"),
    "kubernetes": (r"exporters: \[otlp/agenttrail\]", "exporters: [otlphttp/backend]"),
    "logstash": (r'id => "agenttrail"\s+path => "[^"]+"', 'path => "/var/log/agents/*.jsonl"'),
    "otel_collector": (r"exporters: \[otlp/agenttrail\]", "exporters: [elasticsearch]"),
    "rsyslog": (r'action\(\s+name="agenttrail_mask"', 'action(type="omfwd" target="siem.example.com")\n\\g<0>'),
    "syslog_ng": (r"log \{\s+source", 'log { source(s_agents); destination { network("siem.example.com"); }; };\n\\g<0>'),
    "vector": (r"inputs: \[agenttrail_masked\]", "inputs: [agents]"),
}  # fmt: skip


def configuration(path: Path) -> ConfigFile:
    """A file's text; of Kubernetes the collector's part of a config map."""
    text = path.read_text()
    if path.parent.name == "kubernetes":
        parts = [m.get("data", {}).get("collector.yaml") for m in yaml.safe_load_all(text)]
        text = next(part for part in parts if part)
    return ConfigFile(str(path), text)


CASES = [(folder, names) for folder, lists in CONFIGS.items() if (COLLECTORS / folder).exists() for names in lists]  # fmt: skip


@pytest.mark.parametrize("folder, names", CASES, ids=lambda v: v if isinstance(v, str) else v[0])
def test_our_own_configurations_are_sound(folder: str, names: list[str]) -> None:
    files = [configuration(COLLECTORS / folder / name) for name in names]
    kinds = {next(kind for kind, module in KINDS.items() if module.sniff(file)) for file in files}
    (kind,) = kinds
    found = KINDS[kind].examine(files, Asked())
    assert [(f.place, f.rule.id, f.what) for f in found] == []


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda p: p.name)
def test_a_folder_says_how_to_use_check_and_remove_it(folder: Path) -> None:
    """At most 60 lines, a sample of what goes in and comes out, and its row in the list."""
    text = (folder / "README.md").read_text()
    assert len(text.splitlines()) <= 60
    for title in ("Use it", "Check it", "Remove it"):
        assert f"## {title}" in text, title
    assert [p for p in folder.iterdir() if re.match("sample|demo", p.name)]
    assert f"[{folder.name}]({folder.name}/README.md)" in (COLLECTORS / "README.md").read_text()


@pytest.mark.parametrize("folder, names", CASES, ids=lambda v: v if isinstance(v, str) else v[0])
def test_a_bypass_put_into_our_own_configuration_would_be_found(
    folder: str, names: list[str]
) -> None:
    """The law above is no law where doctor sees no path at all."""
    before, after = BYPASSES[folder]
    files = [configuration(COLLECTORS / folder / name) for name in names]
    text, count = re.subn(before, after, files[0].text)
    assert count
    changed = ConfigFile(files[0].path, text)
    kind = next(kind for kind, module in KINDS.items() if module.sniff(changed))
    rules = {
        f.rule.id.split("-", 1)[1] for f in KINDS[kind].examine([changed, *files[1:]], Asked())
    }
    assert "bypass" in rules
