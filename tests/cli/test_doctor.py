"""`agenttrail doctor`: this installation, and collectors' configurations."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import agenttrail as agenttrail_package
from tests.cli._run import BINARY, Done, agenttrail
from tests.doctor._samples import FOLDER
from tests.engines import otelcol, rsyslog, syslog_ng
from tests.engines._process import free_ports, listening
from tests.engines.fixtures import required


def test_findings_are_told_with_file_line_reason_and_remedy(tmp_path: Path) -> None:
    shutil.copy(FOLDER / "otelcol-open.yaml", tmp_path / "config.yaml")
    done = agenttrail(tmp_path, "doctor", "config.yaml")
    assert done.code == 1
    assert (
        "config.yaml:72: error otelcol-bypass: exporter otlp/siem gets unmasked data: filelog/agents -> logs/in -> routing/by_tenant -> logs/siem -> otlp/siem (and 2 more sources)"
        in done.out
    )
    assert "    fix: error_mode: propagate, written out\n" in done.out
    assert "14 findings in 1 file (otelcol)" in done.err


def test_a_sound_file_gives_0_and_nothing_on_standard_output(tmp_path: Path) -> None:
    shutil.copy(FOLDER / "vector-sound.yaml", tmp_path / "vector.yaml")
    done = agenttrail(tmp_path, "doctor", "vector.yaml")
    assert (done.code, done.out) == (0, "")
    assert "nothing found" in done.err


def test_json_is_for_ci(tmp_path: Path) -> None:
    shutil.copy(FOLDER / "fluent_bit-open.conf", tmp_path / "fluent-bit.conf")
    done = agenttrail(tmp_path, "doctor", "--json", "fluent-bit.conf")
    report = json.loads(done.out)
    assert done.code == 1
    assert not report["ok"]
    assert report["kinds"] == {"fluent_bit": ["fluent-bit.conf"]}
    one = report["findings"][0]
    assert set(one) == {
        "rule", "severity", "file", "line", "what", "why", "fix", "source", "can_be_fixed",
    }  # fmt: skip


def test_fix_alone_shows_a_diff_and_changes_nothing(tmp_path: Path) -> None:
    shutil.copy(FOLDER / "rsyslog-open.conf", tmp_path / "agents.conf")
    before = (tmp_path / "agents.conf").read_bytes()
    done = agenttrail(tmp_path, "doctor", "--fix", "agents.conf")
    assert done.code == 1
    assert "--- agents.conf\n+++ agents.conf\n" in done.out
    assert '+    action(type="mmexternal"' in done.out
    assert (tmp_path / "agents.conf").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["agents.conf"]


@pytest.mark.parametrize("sample", sorted(p.name for p in FOLDER.iterdir() if "-open" in p.name))
def test_fix_and_write_make_the_file_pass_and_keep_a_backup(tmp_path: Path, sample: str) -> None:
    """The mode stays; the shown diff, applied by `patch`, gives what was written."""
    target = tmp_path / sample
    shutil.copy(FOLDER / sample, target)
    os.chmod(target, 0o640)
    before = target.read_bytes()
    done = agenttrail(tmp_path, "doctor", "--fix", "--write", "--json", sample)
    report = json.loads(done.out)
    assert done.code == 0, report["remaining"]
    assert report["ok"]
    backup = tmp_path / report["written"][sample]
    assert backup.read_bytes() == before
    assert target.stat().st_mode & 0o777 == 0o640
    assert agenttrail(tmp_path, "doctor", sample).code == 0
    if shutil.which("patch"):
        (tmp_path / "old").write_bytes(before)
        subprocess.run(["patch", "-s", "old"], input=report["diffs"][sample].encode(), cwd=tmp_path, check=True)  # fmt: skip
        assert (tmp_path / "old").read_bytes() == target.read_bytes()


def test_a_folder_is_read_and_what_is_of_no_collector_is_passed_over(tmp_path: Path) -> None:
    folder = tmp_path / "conf.d"
    folder.mkdir()
    shutil.copy(FOLDER / "logstash-sound.conf", folder / "a.conf")
    (folder / "notes.json").write_text('{"a": 1}')
    done = agenttrail(tmp_path, "doctor", "conf.d")
    assert done.code == 0
    assert "conf.d/notes.json: passed over" in done.err


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["none.yaml"], "none.yaml cannot be read"),
        (["odd.txt"], "odd.txt: of which collector is this?"),
        (["--kind", "otelcoll", "odd.txt"], "no collector is called 'otelcoll'"),
        (["--write", "odd.txt"], "--write needs --fix"),
        (["--fix"], "--fix needs a CONFIG"),
        (["-c", "p.yaml", "odd.txt"], "--config has no effect with CONFIG"),
        (["--kind", "otelcol", "broken.yaml"], "broken.yaml:3: this is no YAML"),
        (["binary.conf"], "binary.conf is no text in UTF-8"),
        (["empty"], "there is no configuration of a collector"),
    ],
)
def test_wrong_usage_is_2_and_shows_nothing_of_a_file(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    (tmp_path / "odd.txt").write_text("hello ann.lee@example.com\n")
    (tmp_path / "broken.yaml").write_text("service:\n  a: [ann.lee@example.com\n b: {\n")
    (tmp_path / "binary.conf").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "empty").mkdir()
    done = agenttrail(tmp_path, "doctor", *arguments)
    assert done.code == 2
    assert said in done.err
    assert "ann.lee" not in done.err + done.out


def test_the_rules_are_listed_with_their_sources(tmp_path: Path) -> None:
    done = agenttrail(tmp_path, "doctor", "--rules", "--json")
    listed = json.loads(done.out)
    assert {r["id"].split("-")[0] for r in listed} == {"otelcol", "logstash", "fluentbit", "vector", "rsyslog", "syslogng"}  # fmt: skip
    assert "otelcol-error-mode (error)" in agenttrail(tmp_path, "doctor", "--rules").out


COLLECTOR = """\
# what an SRE has
receivers:
  filelog/agents: {include: [/var/log/agents/*.jsonl]}  # one line
  otlp:
    protocols:
      http:
exporters:
  otlphttp/siem:
    endpoint: https://siem.example.com   # the SIEM
  file: {path: /tmp/x.jsonl}
processors:
  batch:
  transform: {error_mode: ignore, log_statements: ['set(log.attributes["a"], "b")']}
service:
  pipelines:
    logs: {receivers: [filelog/agents, otlp], processors: [transform, batch], exporters: [otlphttp/siem, file]}
    traces:
      receivers: [otlp]
      exporters: [otlphttp/siem]
"""


@pytest.mark.engine
def test_the_real_collector_takes_what_the_fix_wrote(tmp_path: Path) -> None:
    """Before and after: `otelcol validate` finds nothing wrong with it."""
    with required():
        binary = otelcol.prepare()
    (tmp_path / "c.yaml").write_text(COLLECTOR)
    validate = [str(binary), "validate", "--config", str(tmp_path / "c.yaml")]
    subprocess.run(validate, check=True, capture_output=True)
    done = agenttrail(tmp_path, "doctor", "--fix", "--write", "c.yaml")
    assert done.code == 0, done.err
    assert "run agenttrail beside it: agenttrail hop" in done.err
    subprocess.run(validate, check=True, capture_output=True)


@pytest.mark.engine
@pytest.mark.parametrize("sample", ["rsyslog-open.conf", "rsyslog-legacy-open.conf"])
def test_the_real_rsyslog_takes_what_the_fix_wrote(tmp_path: Path, sample: str) -> None:
    """`rsyslogd -N1` finds nothing; of the legacy file it had found the missing directory itself."""
    with required():
        rsyslog.prepare()

    def here(text: str) -> str:
        return text.replace("/var/spool/rsyslog", str(tmp_path))

    path = tmp_path / sample
    path.write_text(here((FOLDER / sample).read_text()))
    said = rsyslog.check(path.read_text(), tmp_path)
    assert "working" in said if "legacy" in sample else not said, said
    assert agenttrail(tmp_path, "doctor", "--fix", "--write", sample).code == 0
    said = rsyslog.check(here(path.read_text()), tmp_path)
    assert not said


def test_the_installation_is_checked_with_a_self_test(tmp_path: Path) -> None:
    done = agenttrail(tmp_path, "doctor", "--json")
    report = json.loads(done.out)
    assert done.code == 0, done.err
    states = {c["check"]: c["state"] for c in report["checks"]}
    wanted = {"python", "pinned versions", "names model", "pattern engine", "extras"}
    assert wanted | {f"self-test {x}" for x in ("en", "th", "ja", "lo")} == set(states)
    for planted in ("Thornbury", "4111", "example.com", "สมชาย", "山田"):
        assert planted not in done.err + done.out


def test_what_is_wrong_with_an_installation_is_told(tmp_path: Path) -> None:
    """A missing model, an unreadable key, a dead letter that grows: named, with what to do."""
    (tmp_path / "dead.jsonl").write_text('{"reason":"x"}\n')
    (tmp_path / "p.yaml").write_text(
        "sources: [stdin]\nsinks: [{type: jsonl, path: o.jsonl}]\n"
        "mask: {type: presidio, spacy_model: no_such_model, operators: {PERSON: pseudonym},\n"
        "       pseudonym_keys: [{id: k1, file: none.key}]}\n"
        "delivery: {dead_letter: dead.jsonl}\n"
    )
    done = agenttrail(tmp_path, "doctor", "-c", "p.yaml", "--json")
    assert done.code == 1
    said = {(c["check"], c["state"]): c["said"] for c in json.loads(done.out)["checks"]}
    assert said[("names model", "problem")] == "no_such_model is not installed"
    assert "the file of key k1 cannot be read" in said[("keys", "problem")]
    assert "dead.jsonl: 15 bytes, growing" in said[("dead letter", "warning")]
    assert "masking failed" in said[("self-test en", "problem")]


def test_a_hops_file_is_looked_at_too(tmp_path: Path) -> None:
    """Its spool is where masked requests wait."""
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "1").write_bytes(b"x" * 10)
    (tmp_path / "hop.yaml").write_text(
        "mask: {type: presidio, profile: fast}\n"
        "forward: {type: otlp, endpoint: 'http://127.0.0.1:9'}\nspool: spool\n"
    )
    done = agenttrail(tmp_path, "doctor", "-c", "hop.yaml", "--json")
    said = {c["check"]: c["said"] for c in json.loads(done.out)["checks"]}
    assert done.code == 0
    assert "spool: 10 bytes, growing" in said["spool"]


MANIFEST = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: node}
data:
  notes: hello
  config.yaml: |
    receivers: {otlp: {protocols: {grpc: }}}
    exporters:
      otlphttp: {endpoint: https://siem.example.com, sending_queue: {enabled: false}}
    service:
      pipelines:
        logs: {receivers: [otlp], exporters: [otlphttp]}
"""


def test_configurations_inside_config_maps_are_read_with_the_manifests_lines(
    tmp_path: Path,
) -> None:
    """Nothing is written there: a person takes it out, mends it, puts it back."""
    (tmp_path / "node.yaml").write_text(f"kind: Service\n---\n{MANIFEST}")
    done = agenttrail(tmp_path, "doctor", "--fix", "--json", "node.yaml")
    report = json.loads(done.out)
    assert done.code == 1
    assert [(f["file"], f["line"], f["rule"]) for f in report["findings"]] == [("node.yaml", 14, "otelcol-bypass")]  # fmt: skip
    assert report["kinds"] == {"otelcol": ["node.yaml"]}
    assert "stands inside a manifest" in report["by_hand"][0]
    assert agenttrail(tmp_path, "doctor", "--fix", "--write", "node.yaml").code == 2


@contextlib.contextmanager
def background(folder: Path, *argv: str, ready: Callable[[], bool]) -> Iterator[None]:
    with (folder / "background.log").open("ab") as out:
        process = subprocess.Popen(argv, cwd=folder, stdout=out, stderr=out, env={**os.environ, "PYTHONUTF8": "1"})  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while not ready():
            assert process.poll() is None, (folder / "background.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(30)


def verdicts(done: Done) -> Counter[str]:
    assert done.out, done.err
    return Counter(c["verdict"] for c in json.loads(done.out)["canaries"])


@pytest.mark.engine
def test_canaries_leak_through_a_collector_before_the_fix_and_not_after_it(tmp_path: Path) -> None:
    """The whole way: doctor's change on the real Collector, the hop that it asks for, canaries."""
    with required():
        binary = str(otelcol.prepare())
    http, hop_grpc, hop_http, back = free_ports(4)
    logs, out = tmp_path / "agents.jsonl", tmp_path / "out.jsonl"
    logs.touch()
    (tmp_path / "c.yaml").write_text(
        f"receivers:\n  filelog: {{include: [{logs}], start_at: beginning}}\n"
        f"  otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:{http}'}}}}}}\n"
        "processors:\n  batch:\n"
        f"exporters:\n  file: {{path: {out}, flush_interval: 50ms}}\n"
        "service:\n  telemetry: {metrics: {level: none}}\n  pipelines:\n"
        "    logs: {receivers: [filelog, otlp], processors: [batch], exporters: [file]}\n"
    )
    canary = ("canary", "--append", str(logs), "--otlp-file", str(out), "--json", "--wait-s", "40")
    with background(tmp_path, binary, "--config", "c.yaml", ready=lambda: listening(http)):
        assert set(verdicts(agenttrail(tmp_path, *canary))) == {"leaked"}
    done = agenttrail(tmp_path, "doctor", "--fix", "--write", "c.yaml")
    assert done.code == 0, done.err
    text = (tmp_path / "c.yaml").read_text()
    for shipped, own in (("4327", hop_grpc), ("4319", back)):
        assert f"127.0.0.1:{shipped}" in text
        text = text.replace(f"127.0.0.1:{shipped}", f"127.0.0.1:{own}")
    text = text.replace("/var/lib/otelcol/agenttrail", str(tmp_path / "storage"))
    (tmp_path / "c.yaml").write_text(text)
    logs.write_bytes(b"")  # what leaked before is another run's
    hop = (BINARY, "hop", "--grpc", f"127.0.0.1:{hop_grpc}", "--http", f"127.0.0.1:{hop_http}", "--to", f"http://127.0.0.1:{back}")  # fmt: skip
    with (
        background(tmp_path, binary, "--config", "c.yaml", ready=lambda: listening(back)),
        background(tmp_path, *hop, ready=lambda: listening(hop_grpc)),
    ):
        after = agenttrail(tmp_path, *canary)
    assert set(verdicts(after)) == {"masked"}, after.out


@contextlib.contextmanager
def server(out: Path) -> Iterator[int]:
    """A TCP server that writes down what it gets; its port."""
    (port,) = free_ports(1)
    process = subprocess.Popen(
        [sys.executable, "-c", _SINK, str(port), str(out)], stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield port
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def syslog_canary(folder: Path, port: int, out: Path) -> Counter[str]:
    return verdicts(agenttrail(folder, "canary", "--syslog", f"tcp://127.0.0.1:{port}", "--jsonl", str(out), "--json", "--wait-s", "60"))  # fmt: skip


@pytest.mark.engine
def test_canaries_leak_through_rsyslog_before_the_fix_and_not_after_it(tmp_path: Path) -> None:
    with required():
        rsyslog.prepare()
    (port,) = free_ports(1)
    out = tmp_path / "out.log"
    with server(out) as at:
        before = (
            f'module(load="imtcp")\ninput(type="imtcp" address="127.0.0.1" port="{port}")\n'
            f'action(type="omfwd" target="127.0.0.1" port="{at}" protocol="tcp")\n'
        )
        with rsyslog.start(lambda _: before):
            assert set(syslog_canary(tmp_path, port, out)) == {"leaked"}
        (tmp_path / "r.conf").write_text(before)
        assert agenttrail(tmp_path, "doctor", "--fix", "--write", "r.conf").code == 0

        def fixed(folder: Path) -> str:
            text = (tmp_path / "r.conf").read_text().replace("/var/spool/rsyslog", str(folder))
            text = text.replace("/usr/bin/agenttrail", BINARY)
            return f'global(workDirectory="{folder}")\n{text}'

        with rsyslog.start(fixed):
            assert set(syslog_canary(tmp_path, port, out)) == {"masked"}


@pytest.mark.engine
def test_canaries_leak_through_syslog_ng_before_the_fix_and_not_after_it(tmp_path: Path) -> None:
    with required():
        version = syslog_ng.prepare().version()
    (port,) = free_ports(1)
    out = tmp_path / "out.log"
    with server(out) as at:
        before = (
            f"@version: {version}\n"
            f'source s_net {{ network(ip("127.0.0.1") port({port}) transport("tcp") flags(syslog-protocol)); }};\n'
            f'destination d_siem {{ network("127.0.0.1" port({at}) transport("tcp")); }};\n'
            "log { source(s_net); destination(d_siem); };\n"
        )
        with syslog_ng.start(lambda _: before):
            assert set(syslog_canary(tmp_path, port, out)) == {"leaked"}
        (tmp_path / "s.conf").write_text(before)
        assert agenttrail(tmp_path, "doctor", "--fix", "--write", "s.conf").code == 0

        def fixed(folder: Path) -> str:
            text = (tmp_path / "s.conf").read_text()
            for shipped, own in (
                ("/opt/agenttrail/lib/python3.11/site-packages", sysconfig.get_paths()["purelib"]),
                ("/opt/agenttrail/bin/python", sys.executable),
                ("/var/lib/syslog-ng", str(folder)),
            ):
                assert shipped in text
                text = text.replace(shipped, own)
            return text

        path = str(Path(agenttrail_package.__file__).parents[1])
        with syslog_ng.start(fixed, env={"PYTHONPATH": path}):
            assert set(syslog_canary(tmp_path, port, out)) == {"masked"}


_SINK = """
import socketserver, sys
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            with open(sys.argv[2], "ab") as out:
                out.write(line)
server = socketserver.ThreadingTCPServer(("127.0.0.1", int(sys.argv[1])), Handler)
print("ready", flush=True)
server.serve_forever()
"""
