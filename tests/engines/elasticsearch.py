"""Elasticsearch 8.19.21, the real server, from its integration-test distribution.

That distribution (Maven artifact `org.elasticsearch.distribution.integ-test-zip:elasticsearch`) is
the server without most modules: there are data streams, explicit and flattened mappings, bulk,
security and TLS; there are no `GET /`, scripts, ingest processors, `match_only_text`, `wildcard`
or `constant_keyword` fields and no REST interface of data streams. The modules of
ES|QL are artifacts of their own; `start(esql=True)` has them too (see `_esql.py`).

AGENTTRAIL_TEST_ELASTICSEARCH_URL names a running server to use instead (credentials in the URL).
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import shutil
import signal
import ssl
import subprocess
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.engines import _esql, _java
from tests.engines._process import (
    Process,
    cache_folder,
    free_ports,
    locked,
    say,
    tool,
    work_folder,
)

VERSION = "8.19.21"
_ARTIFACT = f"org.elasticsearch.distribution.integ-test-zip:elasticsearch:{VERSION}:zip"
_JAVA = (17, 24)  # what Elasticsearch 8.19 runs on
_HEAP = "512m"
_UNPRIVILEGED = "nobody"  # Elasticsearch refuses to run as root


@dataclass(kw_only=True)
class Server:
    """An Elasticsearch that tests may use. `url` holds no credentials."""

    url: str
    user: str = ""
    password: str = ""
    ca_file: str = ""
    process: Process | None = None

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """The parsed answer of one request. Raises urllib's HTTPError for 4xx and 5xx."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        if self.user:
            pair = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
            headers["Authorization"] = f"Basic {pair}"
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        context = ssl.create_default_context(cafile=self.ca_file) if self.ca_file else None
        try:
            with urllib.request.urlopen(request, timeout=30, context=context) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            error.close()  # it holds the socket
            raise
        return json.loads(text) if text else None

    def healthy(self) -> bool:
        try:
            health = self.request("GET", "/_cluster/health")
        except OSError:
            return False
        return health["status"] in ("green", "yellow")

    def search(self, index: str, query: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """The hits (at most 1000) in `index` after a refresh, sorted by their id.

        A circuit breaker that is open (429: little heap, until the next collection) is asked again for
        30 seconds.
        """
        self.request("POST", f"/{index}/_refresh")
        body = {"size": 1000, "query": query or {"match_all": {}}}
        until = time.monotonic() + 30
        while True:
            try:
                hits = self.request("POST", f"/{index}/_search", body)["hits"]["hits"]
                break
            except urllib.error.HTTPError as error:
                if error.code != 429 or time.monotonic() > until:
                    raise
                time.sleep(1)
        return sorted(hits, key=lambda hit: hit["_id"])

    def restart(self, how: int = signal.SIGTERM) -> None:
        """Stops and starts it on the same data and port."""
        assert self.process is not None, "only a server started by the tests can be restarted"
        self.process.stop(how)
        self.process.start()


def running() -> Server | None:
    """The server named by the environment."""
    return from_address(os.environ.get("AGENTTRAIL_TEST_ELASTICSEARCH_URL", ""))


def from_address(url: str) -> Server | None:
    """The server at an address that may hold credentials; None where there is no address."""
    if not url:
        return None
    parts = urlsplit(url.rstrip("/"))
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return Server(
        url=bare, user=unquote(parts.username or ""), password=unquote(parts.password or "")
    )


def prepare() -> Path:
    """The folder of the distribution, fetched and unpacked the first time (107 MB).

    Raises:
        MissingError: java or mvn is not here.
        RuntimeError: it could not be fetched.
    """
    _java.home(*_JAVA)
    home = cache_folder() / f"elasticsearch-{VERSION}"
    with locked("elasticsearch"):
        if home.exists():
            return home
        tool("mvn", _java.MAVEN_HINT)
        say(f"fetching Elasticsearch {VERSION} (107 MB)")
        fetched = cache_folder() / "elasticsearch-fetch"
        shutil.rmtree(fetched, ignore_errors=True)
        fetched.mkdir()
        _java.fetch(_ARTIFACT, fetched)
        with zipfile.ZipFile(next(fetched.glob("*.zip"))) as archive:
            archive.extractall(fetched)
        unpacked = fetched / home.name
        for script in (unpacked / "bin").iterdir():
            script.chmod(0o755)
        unpacked.rename(home)
        shutil.rmtree(fetched)
        say("Elasticsearch is ready")
    return home


def prepare_esql() -> Path:
    """The same distribution with the modules of ES|QL, made the first time (12 MB more)."""
    plain = prepare()
    with locked("elasticsearch-esql"):
        return _esql.with_modules(plain, VERSION)


@contextlib.contextmanager
def start(
    *,
    password: str = "",
    tls: bool = False,
    roles: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    esql: bool = False,
    start_s: float = 180.0,
) -> Iterator[Server]:
    """A server of our own for the length of the block.

    Args:
        password: turns security on; the password of the user `elastic`.
        tls: serves HTTPS with a certificate of a CA made for it (`Server.ca_file`).
        roles: role name to its description; each gets a user of its name with `password`. They are
            files, because the index of the security interface needs a module that is not there.
        settings: further settings of elasticsearch.yml.
        esql: with `POST /_query`.
    """
    home = prepare_esql() if esql else prepare()
    with work_folder("agenttrail-elasticsearch-") as folder:
        user = _UNPRIVILEGED if os.geteuid() == 0 else None
        if user and not open_to_all(home):
            home = Path(shutil.copytree(home, folder / "home"))
        http, transport = free_ports(2)
        conf = folder / "config"
        shutil.copytree(home / "config", conf)
        yml: dict[str, Any] = {
            "cluster.name": "agenttrail-tests",
            "discovery.type": "single-node",
            "network.host": "127.0.0.1",
            "http.port": http,
            "transport.port": transport,
            "path.data": str(folder / "data"),
            "path.logs": str(folder / "logs"),
            # A nearly full disk of the machine must not turn indexes read-only.
            "cluster.routing.allocation.disk.threshold_enabled": False,
            "xpack.security.enabled": bool(password),
            **(settings or {}),
        }
        server = Server(url=f"{'https' if tls else 'http'}://127.0.0.1:{http}")
        if password:
            server.user, server.password = "elastic", password
        if tls:
            server.ca_file = str(_certificates(conf))
            yml["xpack.security.http.ssl.enabled"] = True
            yml["xpack.security.http.ssl.key"] = "server.key"
            yml["xpack.security.http.ssl.certificate"] = "server.crt"
        # JSON is YAML, and quotes what needs quoting.
        (conf / "elasticsearch.yml").write_text(
            "".join(f"{key}: {json.dumps(value)}\n" for key, value in yml.items())
        )
        if roles:
            digest = base64.b64encode(hashlib.sha1(password.encode()).digest()).decode()
            # It is read role by role, each beginning at the start of a line.
            (conf / "roles.yml").write_text(
                "".join(f"{name}: {json.dumps(role)}\n" for name, role in roles.items())
            )
            (conf / "users").write_text("".join(f"{name}:{{SHA}}{digest}\n" for name in roles))
            (conf / "users_roles").write_text("".join(f"{name}:{name}\n" for name in roles))
        (folder / "tmp").mkdir()
        if user:
            for path in (folder, *folder.rglob("*")):
                if folder / "home" not in path.parents:
                    shutil.chown(path, user)
        env = {
            **{key: value for key, value in os.environ.items() if not key.startswith("ES_")},
            "ES_JAVA_HOME": str(_java.home(*_JAVA)),
            "ES_PATH_CONF": str(conf),
            "ES_TMPDIR": str(folder / "tmp"),
            # Starting counts, not peak speed: the quick compiler only, and memory as it is needed.
            "ES_JAVA_OPTS": f"-Xms{_HEAP} -Xmx{_HEAP} -XX:TieredStopAtLevel=1 -XX:-AlwaysPreTouch"
            " -XX:-HeapDumpOnOutOfMemoryError"
            f" -XX:ErrorFile={folder}/hs_err.log -Xlog:disable",
        }
        if password:
            subprocess.run(
                [home / "bin" / "elasticsearch-keystore", "add", "-x", "-f", "bootstrap.password"],
                input=password.encode(),
                env=env,
                cwd=folder,
                user=user,
                extra_groups=None if user is None else [],
                stdout=subprocess.DEVNULL,
                check=True,
            )
        server.process = Process(
            "Elasticsearch",
            [str(home / "bin" / "elasticsearch")],
            cwd=folder,
            log=folder / "output.log",
            healthy=server.healthy,
            env=env,
            user=user,
            start_s=start_s,
        )
        try:
            server.process.start()
            yield server
        finally:
            server.process.stop()


def open_to_all(home: Path) -> bool:
    """Whether the account that servers run as can read there."""
    return all(path.stat().st_mode & 0o005 == 0o005 for path in (home, *home.parents))


def _certificates(folder: Path) -> Path:
    """A CA and a certificate for 127.0.0.1 in `folder`; gives the CA's file."""
    openssl = tool("openssl", "apt-get install openssl")
    extensions = folder / "san.cnf"
    extensions.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    for arguments in (
        "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=agenttrail-test-ca"
        " -addext keyUsage=critical,keyCertSign -keyout ca.key -out ca.crt",
        "req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout server.key -out server.csr",
        "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2"
        " -extfile san.cnf -out server.crt",
    ):
        subprocess.run([openssl, *arguments.split()], cwd=folder, check=True, capture_output=True)
    return folder / "ca.crt"
