"""The engines are there, or their absence is told with the command that installs them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.engines import elasticsearch, opensearch, otelcol, query_parsers, rsyslog, syslog_ng
from tests.engines._process import PROJECT, MissingError, Process, work_folder
from tests.engines.fixtures import required


@pytest.mark.parametrize(
    "prepare, hint",
    [
        (elasticsearch.prepare, "apt-get install (maven|openjdk-17)"),
        (elasticsearch.prepare_esql, "apt-get install (maven|openjdk-17)"),
        (opensearch.prepare, "apt-get install (maven|openjdk-21-jdk)"),
        (query_parsers.prepare, "apt-get install nodejs npm"),
        (otelcol.prepare, "apt-get install golang-go"),
        (rsyslog.prepare, "apt-get update && apt-get install rsyslog"),
        (syslog_ng.prepare, "apt-get update && apt-get install syslog-ng-core"),
    ],
)
def test_a_missing_tool_is_told_with_its_install_command(
    prepare, hint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTTRAIL_ENGINES", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingError, match=hint):
        prepare()


@pytest.mark.parametrize(
    "ci, outcome", [("", pytest.skip.Exception), ("true", pytest.fail.Exception)]
)
def test_a_missing_engine_fails_where_ci_is_set_and_is_skipped_elsewhere(
    ci: str, outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="apt-get install it"), required():
        raise MissingError("It is not here", "apt-get install it")


def test_a_process_that_ends_early_is_told_with_its_log() -> None:
    with work_folder("agenttrail-test-") as folder:
        process = Process(
            "It",
            [sys.executable, "-c", "print('out of memory'); exit(3)"],
            cwd=folder,
            log=folder / "log",
            healthy=lambda: False,
        )
        with pytest.raises(RuntimeError, match="It ended with 3\nout of memory"):
            process.start()


def test_a_process_that_never_gets_ready_is_stopped() -> None:
    with work_folder("agenttrail-test-") as folder:
        process = Process(
            "It",
            [sys.executable, "-c", "import time; time.sleep(60)"],
            cwd=folder,
            log=folder / "log",
            healthy=lambda: False,
            start_s=0.3,
        )
        with pytest.raises(RuntimeError, match=r"not ready in 0\.3 s"):
            process.start()


@pytest.mark.parametrize(
    "arguments, code, said", [([], 2, "usage"), (["prepare", "nothing"], 2, "usage")]
)
def test_the_command_says_how_it_is_used(arguments: list[str], code: int, said: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "tests.engines", *arguments],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == code
    assert said in result.stderr


def test_a_running_server_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTTRAIL_TEST_ELASTICSEARCH_URL", "https://u%40x:p%2Fw@localhost:9200/")
    server = elasticsearch.running()
    assert server is not None
    assert (server.url, server.user, server.password) == ("https://localhost:9200", "u@x", "p/w")
    monkeypatch.delenv("AGENTTRAIL_TEST_ELASTICSEARCH_URL")
    assert elasticsearch.running() is None


@pytest.mark.engine
def test_the_collector_and_its_fixture_take_settings_of_the_test(start_otel_collector) -> None:
    def settings(ports, folder: Path) -> dict:
        made = otelcol.otlp_to_file(ports, folder)
        made["receivers"]["filelog"] = {
            "include": [str(folder / "in.log")],
            "start_at": "beginning",
        }
        made["extensions"] = {"file_storage": {"directory": str(folder)}}
        made["service"]["extensions"] = ["file_storage"]
        made["processors"] = {"batch": {}, "redaction": {"allow_all_keys": True}, "transform": {}}
        made["exporters"]["debug"] = {}
        pipeline = made["service"]["pipelines"]["logs"]
        pipeline["receivers"] = ["otlp", "filelog"]
        pipeline["processors"] = ["batch", "redaction", "transform"]
        pipeline["exporters"] = ["file", "debug"]
        (folder / "in.log").write_text("a line\n")
        return made

    collector = start_otel_collector(settings)
    collector.wait_for(lambda: collector.log_records())
    assert [r["body"] for r in collector.log_records()] == [{"stringValue": "a line"}]
