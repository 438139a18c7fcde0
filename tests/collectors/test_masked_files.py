"""collectors/logstash, elastic_agent and systemd: agenttrail follows, they read the masked copy."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import jsonschema
import pytest
import yaml

from agenttrail.doctor._logstash_text import parse
from tests.cli._run import BINARY, agenttrail
from tests.collectors._program import COLLECTORS, compare, run_file

FOLDERS = {"logstash": "agenttrail.yaml", "elastic_agent": "agenttrail.yaml", "systemd": "pipeline.yaml"}  # fmt: skip
PLANTED = ("ann.lee", "0143", "Thornbury", "00230", "สมชาย", "山田", "4111")


@pytest.mark.parametrize("name", sorted(FOLDERS))
def test_the_sample_gives_the_expected_lines(name: str, tmp_path: Path) -> None:
    """Every line is of the record's schema and holds nothing that was planted."""
    folder = COLLECTORS / name
    found = run_file(tmp_path, folder / FOLDERS[name], folder / "sample" / "in.jsonl")
    compare(folder / "sample" / "out.jsonl", found)
    text = json.dumps(found, ensure_ascii=False)
    for planted in PLANTED:
        assert planted in (folder / "sample" / "in.jsonl").read_text()
        assert planted not in text
    schema = json.loads(agenttrail(tmp_path, "schema", "event").out)
    for line in (tmp_path / "masked.jsonl").read_text().splitlines():
        jsonschema.validate(json.loads(line), schema)


@pytest.mark.parametrize("name", sorted(FOLDERS))
def test_the_shipped_pipeline_is_decoded_as_it_stands(name: str) -> None:
    from agenttrail import config

    path = COLLECTORS / name / FOLDERS[name]
    options = config.loads(path.read_text(), str(path), {})
    assert options.sources[0].follow
    assert options.delivery.retry_for_s is None or options.delivery.retry_for_s > 0


def test_logstash_reads_what_agenttrail_writes_and_stores_it_once() -> None:
    path = COLLECTORS / "logstash" / "agents.conf"
    plugins = {p.name: p for p in parse(path.read_text(), str(path)).plugins}
    written = yaml.safe_load((COLLECTORS / "logstash" / "agenttrail.yaml").read_text())
    pattern = Path(plugins["file"].get("path"))
    assert Path(written["sinks"][0]["path"]).match(str(pattern))
    assert plugins["elasticsearch"].get("document_id") == "%{[event][id]}"
    assert plugins["elasticsearch"].get("data_stream_dataset") == "agenttrail.audit"


def test_elastic_agent_reads_what_agenttrail_writes() -> None:
    made = yaml.safe_load((COLLECTORS / "elastic_agent" / "elastic-agent.yml").read_text())
    written = yaml.safe_load((COLLECTORS / "elastic_agent" / "agenttrail.yaml").read_text())
    (given,) = made["inputs"]
    (stream,) = given["streams"]
    assert Path(written["sinks"][0]["path"]).match(stream["paths"][0])
    assert stream["data_stream"]["dataset"] == "agenttrail.audit"
    assert given["use_output"] in made["outputs"]
    assert "/var/log/agents" not in (COLLECTORS / "elastic_agent" / "elastic-agent.yml").read_text()


UNITS = sorted(p.name for p in (COLLECTORS / "systemd").iterdir() if p.suffix in (".service", ".timer"))  # fmt: skip


@pytest.mark.engine
@pytest.mark.parametrize("unit", UNITS)
def test_systemd_finds_nothing_wrong_with_a_unit(unit: str, tmp_path: Path) -> None:
    """`verify` of all units together; services are exposed little by `security`'s own measure."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        message = "systemd-analyze is not installed. To install: apt-get install systemd"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    for name in UNITS:
        text = (COLLECTORS / "systemd" / name).read_text()
        assert "/opt/agenttrail/bin/agenttrail" in text or name.endswith(".timer")
        (tmp_path / name).write_text(text.replace("/opt/agenttrail/bin/agenttrail", BINARY))
    done = subprocess.run([analyze, "verify", tmp_path / unit], capture_output=True, text=True, check=False)  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    if unit in ("agenttrail.service", "agenttrail-hop.service"):
        measured = subprocess.run(
            [analyze, "security", "--offline=true", "--threshold=20", tmp_path / unit],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert measured.returncode == 0, measured.stdout[-300:]


def test_the_canarys_command_is_one_that_agenttrail_takes(tmp_path: Path) -> None:
    """Its files are not there: it says so, and not that the command is wrong."""
    text = (COLLECTORS / "systemd" / "agenttrail-canary.service").read_text()
    (command,) = [line for line in text.splitlines() if line.startswith("ExecStart=")]
    arguments = command.split()[1:]
    done = agenttrail(tmp_path, *arguments)
    assert done.code == 1
    assert "cannot be appended to" in done.err
