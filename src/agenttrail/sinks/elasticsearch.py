"""Sink `elasticsearch`: bulk `create` into a data stream of Elasticsearch 8 or 9.

Promises:

- An event is written under its own event.id: sent again, it is refused as a conflict (409), which
  counts as delivered, so a re-run duplicates nothing.
- The canonical line is sent byte for byte.
- `write` returns when every event is in the index. Overload and lost connections (429, 5xx, time-outs)
  are RetryLater for the whole batch: sending it again is harmless. An event that Elasticsearch will
  never take (400 on the item, larger than a request may be) is Rejected by itself, named by the
  error's type; the error's text, which quotes content, is never asked for.
- A fault that an operator must mend (401, 403, no such index) is Unreachable, with a hint.

The target is `<data_stream.type>-<data_stream.dataset>-<data_stream.namespace>` of each event, or
`index`. The mappings come from `agenttrail setup elasticsearch` (`_elasticsearch_template.py`).

Source: Elasticsearch 8.19 reference, Bulk API, Data streams.

Limits: ids are unique in one backing index. An event sent before and again after a rollover is there
twice.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar
from urllib.parse import urlsplit

from agenttrail import fields as f
from agenttrail import jsontext
from agenttrail.errors import OptionError, Rejected, RetryLater, Unreachable
from agenttrail.seams import MaskedEvent
from agenttrail.sinks import _elasticsearch_template as template
from agenttrail.sinks._elasticsearch_template import Change
from agenttrail.sinks._extra import need
from agenttrail.sinks._http import about_certificate, bare, retry_after_s

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

# A 4xx that an operator can mend: nothing is wrong with the event.
_OPERATOR = {401, 403, 404, 405}
# Indexing pressure says how much it was asked to hold and how much it may: numbers, no content.
_PRESSURE = re.compile(r"operation_bytes=(\d+), max_\w*bytes=(\d+)")
_FILTER = "errors,items.create.status,items.create.error.type,items.create.error.caused_by.type"
_PRIVILEGES = ("auto_configure", "create_doc")


@dataclass(frozen=True, slots=True, kw_only=True)
class ElasticsearchOptions:
    """Elasticsearch 8 or 9: bulk create into a data stream, each event once."""

    type: ClassVar[str] = "elasticsearch"
    url: Annotated[str, "Address of a node or a load balancer."] = field(
        default="http://localhost:9200",
        repr=False,  # it may hold credentials
    )
    index: Annotated[
        str | None,
        "Data stream, index or alias for all events; by default each event names its own.",
    ] = None
    user: Annotated[str | None, "User name, with password."] = None
    password: Annotated[str | None, "Password of user."] = field(default=None, repr=False)
    api_key: Annotated[str | None, "API key, encoded as Elasticsearch gives it."] = field(
        default=None, repr=False
    )
    token: Annotated[str | None, "Bearer token."] = field(default=None, repr=False)
    ca_file: Annotated[str | None, "PEM file of the authority that signed the certificate."] = None
    cert_file: Annotated[str | None, "PEM file of the client's certificate."] = None
    key_file: Annotated[str | None, "PEM file of its private key."] = None
    verify: Annotated[bool, "Check the server's certificate."] = True
    compress: Annotated[bool, "Send gzip."] = True
    batch_bytes: Annotated[int, "Largest request before compression, in bytes."] = 5_000_000
    timeout_s: Annotated[float, "How long one request may take, in seconds."] = 60.0
    require_template: Annotated[
        bool, "Refuse to start without the index template; needs the cluster privilege monitor."
    ] = True
    retention: Annotated[
        str | None, "How long the data stream keeps events, such as 90d; set by setup."
    ] = None
    ilm_policy: Annotated[str | None, "Lifecycle policy of the data stream; set by setup."] = None

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        try:
            valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            valid = False
        if not valid:
            raise OptionError("url", "must be http://HOST:PORT or https://HOST:PORT")
        if parts.username and (self.user or self.api_key or self.token):
            raise OptionError("url", "holds a user name, and another credential is given as well")
        if (self.user is None) != (self.password is None):
            raise OptionError("user", "user and password go together")
        if sum(each is not None for each in (self.user, self.api_key, self.token)) > 1:
            raise OptionError("api_key", "only one of user, api_key and token can be used")
        if parts.scheme == "http" and (self.ca_file or self.cert_file or not self.verify):
            raise OptionError("ca_file", "TLS options have no effect on an http:// url")
        if (self.cert_file is None) != (self.key_file is None):
            raise OptionError("cert_file", "cert_file and key_file go together")
        if self.ca_file and not self.verify:
            raise OptionError("ca_file", "has no effect where verify is false")
        if self.index is not None and not self.index:
            raise OptionError("index", "must not be empty")
        if self.batch_bytes <= 0:
            raise OptionError("batch_bytes", "must be positive")
        if self.timeout_s <= 0:
            raise OptionError("timeout_s", "must be positive")
        if self.retention is not None and not re.fullmatch(r"[1-9]\d*[dhms]", self.retention):
            raise OptionError("retention", "must be a number and d, h, m or s, such as 90d")
        if self.retention is not None and self.ilm_policy is not None:
            raise OptionError("retention", "only one of retention and ilm_policy can be used")

    def build(self, now: Callable[[], float] = time.time) -> ElasticsearchSink:
        """The sink. Raises OptionError for files that cannot be used as certificates."""
        need("elasticsearch", "elasticsearch")
        from elasticsearch import Elasticsearch

        parts = urlsplit(self.url)
        port = parts.port or (443 if parts.scheme == "https" else 9200)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        credentials = f"{parts.netloc.rpartition('@')[0]}@" if parts.username else ""
        arguments: dict[str, Any] = {
            "hosts": [f"{parts.scheme}://{credentials}{host}:{port}{parts.path}"],
            "request_timeout": self.timeout_s,
            "http_compress": self.compress,
            # The runner retries: it knows the backoff, the clock and when to stop.
            "max_retries": 0,
        }
        if parts.scheme == "https":
            arguments |= {"verify_certs": self.verify, "ssl_show_warn": False}
            if self.ca_file:
                arguments["ca_certs"] = self.ca_file
            if self.cert_file:
                arguments |= {"client_cert": self.cert_file, "client_key": self.key_file}
        if self.user is not None:
            arguments["basic_auth"] = (self.user, self.password)
        elif self.api_key is not None:
            arguments["api_key"] = self.api_key
        elif self.token is not None:
            arguments["bearer_auth"] = self.token
        for name in ("ca_file", "cert_file", "key_file"):
            path = getattr(self, name)
            if path is not None and not Path(path).is_file():
                raise OptionError(name, "is no file")
        client = Elasticsearch(**arguments)
        return ElasticsearchSink(self, client, now)


class ElasticsearchSink:
    """Writes batches as bulk requests. Not for use by several threads."""

    def __init__(
        self, options: ElasticsearchOptions, client: Elasticsearch, now: Callable[[], float]
    ) -> None:
        self._options = options
        self._client = client
        self._now = now
        self._url = bare(options.url)

    def write(self, batch: Sequence[MaskedEvent], /) -> None:
        """See `seams.Sink`. Raises Unreachable where an operator must mend something first."""
        rejected: dict[int, str] = {}
        for chunk in self._chunks(batch):
            self._send(batch, chunk, rejected)
        if rejected:
            raise Rejected(rejected)

    def check(self) -> None:
        """Reachable, the credentials right, the index template there, writing allowed."""
        try:
            self._check()
        except RetryLater as error:
            raise Unreachable(error.message, hint=error.hint) from error

    def install(self, *, dry_run: bool = False) -> list[Change]:
        """Puts the index template there, and what is new in it on data streams that exist.

        Returns:
            Every request it makes (or would make), with its state: created, updated or unchanged.
            Unchanged ones are not sent.

        Raises:
            Unreachable: the server cannot be reached or refused.
        """
        options = self._options
        bodies = template.render(retention=options.retention, ilm_policy=options.ilm_policy)
        try:
            return template.install(self._required, bodies, dry_run=dry_run)
        except RetryLater as error:
            raise Unreachable(error.message, hint=error.hint) from error

    def close(self) -> None:
        self._client.close()

    def _check(self) -> None:
        status, _ = self._request("GET", f"/_index_template/{template.TEMPLATE}")
        if status == 401 or (status == 403 and self._options.require_template):
            raise self._refused(status)
        if status == 404 and self._options.require_template and self._options.index is None:
            raise Unreachable(
                f"{self._url}: the index template {template.TEMPLATE} is not installed",
                hint="agenttrail setup elasticsearch",
            )
        if status not in (200, 403, 404):
            raise Unreachable(f"{self._url}: answered {status}", hint="is this Elasticsearch?")
        target = self._options.index or template.PATTERN
        wanted = {"index": [{"names": [target], "privileges": list(_PRIVILEGES)}]}
        status, answer = self._request("POST", "/_security/user/_has_privileges", wanted)
        # Without security there is no such path: nothing to ask.
        if status == 200 and not answer["has_all_requested"]:
            raise self._refused(403)

    def _chunks(self, batch: Sequence[MaskedEvent]) -> Iterator[list[int]]:
        """Indexes of the batch in requests of at most `batch_bytes`, or of one event."""
        chunk: list[int] = []
        size = 0
        for index, event in enumerate(batch):
            if chunk and size + len(event.line) > self._options.batch_bytes:
                yield chunk
                chunk, size = [], 0
            chunk.append(index)
            size += len(event.line)
        if chunk:
            yield chunk

    def _send(
        self, batch: Sequence[MaskedEvent], chunk: Sequence[int], rejected: dict[int, str]
    ) -> None:
        body: list[bytes] = []
        for index in chunk:
            body += (self._action(batch[index]), batch[index].line)
        status, answer = self._request("POST", f"/_bulk?filter_path={_FILTER}", body)
        if status == 200:
            self._read(answer, chunk, rejected)
        elif status in _OPERATOR:
            raise self._refused(status)
        elif len(chunk) > 1:
            # 413, or a 400 for one of them: halves until it is alone.
            middle = len(chunk) // 2
            self._send(batch, chunk[:middle], rejected)
            self._send(batch, chunk[middle:], rejected)
        else:
            rejected[chunk[0]] = "too_large" if status == 413 else f"status_{status}"

    def _action(self, event: MaskedEvent) -> bytes:
        fields = event.fields
        index = self._options.index or "-".join(
            str(fields[name])
            for name in (f.DATA_STREAM_TYPE, f.DATA_STREAM_DATASET, f.DATA_STREAM_NAMESPACE)
        )
        return jsontext.dumps({"create": {"_index": index, "_id": fields[f.EVENT_ID]}})

    def _read(self, answer: Any, chunk: Sequence[int], rejected: dict[int, str]) -> None:
        """Goes through the items of a bulk answer; they are in the order of the request."""
        if not answer.get("errors"):
            return
        items = [item["create"] for item in answer["items"]]
        worst = max((item["status"] for item in items), default=200)
        if any(item["status"] == 429 or item["status"] >= 500 for item in items):
            raise RetryLater(f"{self._url}: an index answered {max(worst, 429)}")
        for index, item in zip(chunk, items, strict=True):
            status, kind = item["status"], item.get("error", {}).get("type", "")
            if status < 300 or (status == 409 and kind == "version_conflict_engine_exception"):
                continue
            if status in _OPERATOR:
                raise self._refused(status, kind)
            cause = item.get("error", {}).get("caused_by", {}).get("type", "")
            rejected[index] = f"{kind}: {cause}" if cause else kind

    def _required(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """A request that is answered with 200 or 404, or else Unreachable."""
        status, answer = self._request(method, path, body)
        if status not in (200, 404):
            kind = answer.get("type", "") if isinstance(answer, dict) else ""
            raise self._refused(status, kind, path)
        return status, answer

    def _request(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and parsed answer; of a refusal only the error's type, under `type`.

        Raises:
            RetryLater: no answer, or one that says so.
            Unreachable: TLS cannot be agreed on.
        """
        from elasticsearch import ApiError
        from elasticsearch.exceptions import SSLError, TransportError, UnsupportedProductError

        content = "application/x-ndjson" if isinstance(body, list) else "application/json"
        headers = {"Accept": "application/json", "Content-Type": content}
        try:
            answer = self._client.perform_request(method, path, headers=headers, body=body)
        except UnsupportedProductError as error:
            raise Unreachable(
                f"{self._url}: is not Elasticsearch",
                hint="the sink speaks to Elasticsearch 8 and 9",
            ) from error
        except ApiError as error:
            return self._failed(
                error.status_code, error.body, error.meta.headers.get("retry-after")
            )
        except SSLError as error:
            # A certificate stays wrong; a handshake may break because the server is restarting.
            raise (Unreachable if about_certificate(error.message) else RetryLater)(
                f"{self._url}: TLS failed", hint="check https, ca_file, cert_file and verify"
            ) from None
        except TransportError as error:
            raise RetryLater(
                f"{self._url}: no answer ({type(error).__name__})",
                hint="is the address right and the server up?",
            ) from None
        return answer.meta.status, answer.body

    def _failed(self, status: int, body: Any, after: str | None) -> tuple[int, Any]:
        error = body.get("error", {}) if isinstance(body, dict) else {}
        error = error if isinstance(error, dict) else {}
        if status == 429:
            pressure = _PRESSURE.search(str(error.get("reason", "")))
            if pressure and int(pressure[1]) > int(pressure[2]):
                return 413, {"type": "too_large"}  # it will never fit, however long we wait
        if status == 429 or status >= 500:
            wish = retry_after_s(after, datetime.fromtimestamp(self._now(), UTC))
            raise RetryLater(f"{self._url}: answered {status}", after_s=wish)
        return status, {"type": str(error.get("type", ""))}

    def _refused(self, status: int, kind: str = "", path: str = "") -> Unreachable:
        hints = {
            401: "check user and password, api_key or token",
            403: "the account needs the privileges auto_configure and create_doc on "
            f"{self._options.index or template.PATTERN} and monitor on the cluster; "
            "setup needs manage_index_templates",
            404: "create it, or leave the option index out",
        }
        what = f"answered {status}" + (f" ({kind})" if kind else "")
        where = f"{self._url}{path}"
        return Unreachable(f"{where}: {what}", hint=hints.get(status, "is this Elasticsearch?"))
