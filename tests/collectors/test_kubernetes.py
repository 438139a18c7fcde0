"""collectors/kubernetes: manifests by Kubernetes' own schemas; the node's configuration on real engines."""

from __future__ import annotations

import copy
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from agenttrail import config
from tests.collectors._program import COLLECTORS, compare, hop
from tests.engines import otelcol
from tests.engines._process import free_ports
from tests.engines.fixtures import required

FOLDER = COLLECTORS / "kubernetes"
FILES = ("daemonset.yaml", "sidecar.yaml")
VERSIONS = ("1.29", kubernetes_validate.latest_version())


def manifests(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((FOLDER / name).read_text()))


def data_of(name: str, key: str) -> str:
    (found,) = [m["data"][key] for m in manifests(name) if key in m.get("data", {})]
    return str(found)


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    for name in FILES:
        for manifest in manifests(name):
            if manifest["kind"] in ("DaemonSet", "Deployment"):
                yield name, manifest["spec"]["template"]["spec"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", FILES)
def test_every_manifest_is_what_kubernetes_takes(name: str, version: str) -> None:
    for manifest in manifests(name):
        kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_schemas_would_find_a_wrong_word() -> None:
    (bad,) = [copy.deepcopy(m) for m in manifests("daemonset.yaml") if m["kind"] == "DaemonSet"]
    bad["spec"]["template"]["spec"]["initContainers"][0]["restartPolice"] = "Always"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(bad, VERSIONS[-1], strict=True)


@pytest.mark.parametrize("name, pod", list(pods()), ids=lambda v: v if isinstance(v, str) else "")
def test_a_pod_mounts_what_it_has_and_the_hop_may_do_nothing(
    name: str, pod: dict[str, Any]
) -> None:
    """The hop is a native sidecar: up before the agent, down after it; nobody's user, no capability."""
    volumes = {v["name"] for v in pod["volumes"]}
    for container in [*pod["initContainers"], *pod["containers"]]:
        assert {m["name"] for m in container.get("volumeMounts", [])} <= volumes
        assert container["resources"]["limits"]["memory"]
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"]["drop"] == ["ALL"]
    (sidecar,) = pod["initContainers"]
    assert sidecar["restartPolicy"] == "Always"
    security = sidecar["securityContext"]
    assert security["runAsNonRoot"]
    assert security["readOnlyRootFilesystem"]
    assert pod["automountServiceAccountToken"] is False
    configured = {m["metadata"]["name"] for m in manifests(name) if m["kind"] == "ConfigMap"}
    assert {v["configMap"]["name"] for v in pod["volumes"] if "configMap" in v} <= configured


@pytest.mark.parametrize("name", FILES)
def test_the_hops_settings_are_decoded_as_they_stand(name: str, tmp_path: Path) -> None:
    (tmp_path / "hop.yaml").write_text(data_of(name, "hop.yaml"))
    options = config.load_hop(str(tmp_path / "hop.yaml"))
    assert options.listen.grpc is not None
    assert options.listen.grpc.startswith("127.0.0.1:")
    assert options.health == "127.0.0.1:4329"


def test_the_agent_of_the_sidecar_knows_the_hop_alone() -> None:
    settings = yaml.safe_load(data_of("sidecar.yaml", "hop.yaml"))
    (pod,) = [p for n, p in pods() if n == "sidecar.yaml"]
    env = {e["name"]: e["value"] for e in pod["containers"][0]["env"]}
    assert env["OTEL_EXPORTER_OTLP_ENDPOINT"] == f"http://{settings['listen']['http']}"


@pytest.mark.engine
def test_the_real_collector_takes_the_nodes_configuration(tmp_path: Path) -> None:
    with required():
        binary = otelcol.prepare()
    (tmp_path / "c.yaml").write_text(data_of("daemonset.yaml", "collector.yaml"))
    done = subprocess.run([binary, "validate", "--config", tmp_path / "c.yaml"], env={"BACKEND": "http://127.0.0.1:1"}, capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr


def plain(attributes: list[dict[str, Any]]) -> dict[str, Any]:
    """Attributes as one object, by name: the Collector gives them in any order."""
    return dict(sorted((a["key"], next(iter(a["value"].values()))) for a in attributes))


@pytest.mark.engine
def test_a_containers_log_leaves_the_node_masked(tmp_path: Path, start_otel_collector) -> None:
    """The shipped configuration on the real Collector and a real hop; a file stands for the backend."""
    grpc, health, back = free_ports(3)
    ports = {4327: grpc, 4329: health, 4319: back}
    logs = tmp_path / "pods" / "shop_agent-desk-7f9c_0b0e2f4a-0000-4000-8000-000000000001" / "agent"
    logs.mkdir(parents=True)
    (logs / "0.log").write_bytes((FOLDER / "sample" / "in.log").read_bytes())

    def settings(_: object, folder: Path) -> dict[str, Any]:
        text = data_of("daemonset.yaml", "collector.yaml")
        for before, after in (
            ("/var/log/pods", str(tmp_path / "pods")), ("/var/lib/agenttrail/storage", str(folder / "storage")),
            ("127.0.0.1:4327", f"127.0.0.1:{grpc}"), ("127.0.0.1:4319", f"127.0.0.1:{back}"),
        ):  # fmt: skip
            assert before in text
            text = text.replace(before, after)
        made = yaml.safe_load(text)
        made["exporters"] = {
            "otlp/agenttrail": made["exporters"]["otlp/agenttrail"],
            "file": {"path": str(folder / "out.jsonl"), "flush_interval": "50ms"},
        }
        made["service"]["telemetry"]["logs"]["level"] = "info"  # the tests wait for its greeting
        made["service"]["pipelines"]["logs/masked"]["exporters"] = ["file"]
        return made

    (tmp_path / "shipped.yaml").write_text(data_of("daemonset.yaml", "hop.yaml"))
    with hop(tmp_path, tmp_path / "shipped.yaml", ports):
        collector = start_otel_collector(settings, ports=())
        collector.wait_for(lambda: len(collector.log_records()) == 4, 60.0)
        found = [
            {
                "body": record["body"]["stringValue"],
                "attributes": plain(record["attributes"]),
                "resource": plain(record["resource"]["attributes"]),
            }
            for record in collector.log_records()
        ]
    for record in found:
        record["attributes"].pop("log.file.path")
    compare(FOLDER / "sample" / "out.jsonl", found)
    text = json.dumps(found, ensure_ascii=False)
    for planted in ("ann.lee", "สมชาย", "0143", "4111", "山田", "taro@"):
        assert planted not in text
    assert {r["resource"]["k8s.pod.name"] for r in found} == {"agent-desk-7f9c"}
