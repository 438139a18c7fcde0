"""OTLP's two transports in front of an `Intake`: gRPC, and HTTP with protobuf or JSON.

| what became of it | gRPC | HTTP |
| --- | --- | --- |
| accepted, or partly | OK | 200, with the response message in the request's own encoding |
| cannot be read | INVALID_ARGUMENT | 400 |
| too large | RESOURCE_EXHAUSTED without RetryInfo | 413 |
| try again | UNAVAILABLE with RetryInfo | 503 with Retry-After |
| too fast | RESOURCE_EXHAUSTED with RetryInfo | 429 with Retry-After |
| no or a wrong token | UNAUTHENTICATED | 401 |
| metrics, profiles | UNIMPLEMENTED | 404 |
| another content type or encoding | UNIMPLEMENTED (gRPC's own) | 415 |

Source: OTLP specification 1.9 (opentelemetry-proto, docs/specification.md), OTLP/gRPC and OTLP/HTTP.

Limits: gRPC knows gzip and deflate (its own library decompresses), zstd is HTTP's alone. HTTP is 1.1.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import math
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agenttrail.errors import SourceError
from agenttrail.seams import ExportKind
from agenttrail.sources._otlp_coming import Coming, Receiving, read
from agenttrail.sources._otlp_decode import ENCODINGS, new_response
from agenttrail.sources._otlp_intake import Answer, Intake, Work

_SERVICES: Mapping[ExportKind, str] = {
    "logs": "opentelemetry.proto.collector.logs.v1.LogsService",
    "traces": "opentelemetry.proto.collector.trace.v1.TraceService",
}
_PATHS: Mapping[str, ExportKind] = {"/v1/logs": "logs", "/v1/traces": "traces"}
_THREADS = 80  # more than an intake lets in, so that the rest is told so at once
_START_S = 30.0
_GRACE_S = 5.0
_STATUS = {"ok": 200, "bad_data": 400, "too_large": 413, "unavailable": 503, "throttled": 429}
_GRPC = {
    "bad_data": "INVALID_ARGUMENT",
    "too_large": "RESOURCE_EXHAUSTED",
    "unavailable": "UNAVAILABLE",
    "throttled": "RESOURCE_EXHAUSTED",
    "unauthenticated": "UNAUTHENTICATED",
}
_INTERNAL = Answer("unavailable", "internal error", after_s=5.0)
# google.rpc.Code of what HTTP answers, for the Status message in its body.
_CODES = {400: 3, 401: 16, 404: 12, 405: 12, 413: 8, 415: 3, 429: 8, 503: 14}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """Files of the server's certificate and key; with `client_ca_file` clients must have one too."""

    cert_file: str
    key_file: str
    client_ca_file: str | None = None


class Server:
    """Listens from `start` to `close`.

    Args:
        intake: decides over requests.
        grpc: HOST:PORT, or None; port 0 is any.
        http: the same for HTTP.
        tls: for both.
        token: what `Authorization: Bearer` must say, or None.
        died: is told where a thread of the process has ended with an error (for want of memory, say):
            the server may then listen and never answer.
        turn_s: seconds in which a body over gRPC has to come where others wait for its place.
    """

    def __init__(
        self,
        intake: Intake,
        *,
        grpc: str | None,
        http: str | None,
        tls: Tls | None = None,
        token: str | None = None,
        died: Callable[[str], None] = lambda _: None,
        turn_s: float = 10.0,
    ) -> None:
        self._died = died
        self._hook = threading.excepthook
        self.intake, self._tls, self._token = intake, tls, token
        self._grpc_address, self._http_address = grpc, http
        self._grpc: Any = None
        self._http: _HttpServer | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._coming = Coming(intake.max_waiting_bytes)
        self._receiving = Receiving(
            max(1, intake.max_waiting_bytes // intake.max_request_bytes), turn_s=turn_s
        )
        self.ports: dict[str, int] = {}

    def start(self) -> None:
        """Listens. Raises SourceError where an address is taken or a certificate is wrong."""
        threading.excepthook = self._thread_died
        if self._grpc_address is not None:
            self._grpc, self.ports["grpc"] = self._start_grpc(self._grpc_address)
        if self._http_address is not None:
            self._http = _HttpServer(self._app, self._http_address, self._tls)
            try:
                self.ports["http"] = self._http.start()
            except SourceError:
                self.close()
                raise

    def close(self) -> None:
        """Lets nobody in, answers whoever waits as far as that is possible in a few seconds, ends."""
        self.intake.close()
        stopping = self._grpc.stop(_GRACE_S) if self._grpc is not None else None
        if self._http is not None:
            self._http.close()
        if stopping is not None:
            stopping.wait(_GRACE_S)
        if self._pool is not None:
            self._pool.shutdown(wait=False)
        threading.excepthook = self._hook

    def _thread_died(self, arguments: Any) -> None:
        """The class alone: a traceback may quote content."""
        if arguments.exc_type is not SystemExit:
            self._died(f"a thread ended with {arguments.exc_type.__name__}")

    def _allowed(self, authorization: str) -> bool:
        if self._token is None:
            return True
        given = authorization[7:] if authorization[:7].lower() == "bearer " else ""
        return hmac.compare_digest(given.encode("utf-8", "replace"), self._token.encode())

    # --- gRPC --------------------------------------------------------------------------------

    def _start_grpc(self, address: str) -> tuple[Any, int]:
        import grpc

        limit = self.intake.max_request_bytes
        self._pool = _started_pool()
        server = grpc.server(
            self._pool,
            options=[
                ("grpc.max_receive_message_length", limit),
                # Senders beyond these wait at home, with their data.
                ("grpc.max_concurrent_streams", _THREADS),
                # Or a second hop would take every other connection without a word.
                ("grpc.so_reuseport", 0),
            ],
        )
        for kind, service in _SERVICES.items():
            method = grpc.stream_unary_rpc_method_handler(self._rpc(kind))
            server.add_generic_rpc_handlers(
                (grpc.method_handlers_generic_handler(service, {"Export": method}),)
            )
        try:
            port: int = (
                server.add_insecure_port(address)
                if self._tls is None
                else server.add_secure_port(address, self._grpc_credentials(self._tls))
            )
        except RuntimeError:
            port = 0
        if port == 0:
            raise SourceError(
                f"otlp: cannot listen on {address}",
                hint="is something else listening there, and are the certificate's files right?",
            )
        server.start()
        return server, port

    @staticmethod
    def _grpc_credentials(tls: Tls) -> Any:
        import grpc

        ca = Path(tls.client_ca_file).read_bytes() if tls.client_ca_file else None
        pair = (Path(tls.key_file).read_bytes(), Path(tls.cert_file).read_bytes())
        return grpc.ssl_server_credentials(
            [pair], root_certificates=ca, require_client_auth=ca is not None
        )

    def _rpc(self, kind: ExportKind) -> Callable[[Iterator[bytes], Any], bytes]:
        # As a stream of one, which is the same on the wire: a unary handler would be given its body
        # when that is in memory already, and nothing could bound how many are.
        import grpc

        def export(bodies: Iterator[bytes], context: Any) -> bytes:
            try:
                answer = self._answer(kind, bodies, context)
                response = bytes(new_response(kind, answer.rejected).SerializeToString())
            except grpc.RpcError:
                raise  # the sender has left, or is told to come again
            except Exception:  # noqa: BLE001  gRPC would answer UNKNOWN, and the data be dropped
                answer, response = _INTERNAL, b""
            if answer.code != "ok":
                _abort(context, answer)
            return response

        return export

    def _answer(self, kind: ExportKind, bodies: Iterator[bytes], context: Any) -> Answer:
        metadata = dict(context.invocation_metadata())
        if not self._allowed(str(metadata.get("authorization", ""))):
            return Answer("unauthenticated", "a bearer token is needed")
        if not self._receiving.enter(context):
            return Answer("throttled", "busy", after_s=1.0)
        try:
            body = next(bodies, None)
        finally:
            self._receiving.leave(context)
        if body is None:
            return Answer("bad_data", "a request without a message")
        begun = self.intake.begin(kind, body)
        del body
        return self._wait(begun, context) if isinstance(begun, Work) else begun

    def _wait(self, work: Work, context: Any) -> Answer:
        try:
            answer = work.done.result(context.time_remaining())
        except FutureTimeoutError:
            self.intake.left(work)
            return Answer("unavailable", "still at work", after_s=1.0)
        if context.is_active():
            self.intake.heard(work)
        else:
            self.intake.left(work)
        return answer

    # --- HTTP --------------------------------------------------------------------------------

    async def _app(self, scope: MutableMapping[str, Any], receive: _Receive, send: _Send) -> None:
        """The ASGI application."""
        try:
            await self._serve(scope, receive, send)
        except Exception:  # noqa: BLE001  uvicorn would answer 500, and the data be dropped
            await _Reply(send, as_json=False).fault(503, _INTERNAL.text, {"Retry-After": "5"})

    async def _serve(self, scope: MutableMapping[str, Any], receive: _Receive, send: _Send) -> None:
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in scope["headers"]
        }
        content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        reply = _Reply(send, as_json=content_type == "application/json")
        kind = _PATHS.get(scope["path"])
        if kind is None:
            await reply.fault(404, "only /v1/logs and /v1/traces are served")
        elif scope["method"] != "POST":
            await reply.fault(405, "POST only", {"Allow": "POST"})
        elif not self._allowed(headers.get("authorization", "")):
            await reply.fault(401, "a bearer token is needed", {"WWW-Authenticate": "Bearer"})
        elif content_type not in ("application/x-protobuf", "application/json"):
            await reply.fault(415, "application/x-protobuf or application/json is needed")
        elif (encoding := headers.get("content-encoding", "").lower()) not in ("", "identity", *ENCODINGS):  # fmt: skip
            await reply.fault(415, f"known content encodings: {', '.join(ENCODINGS)}", {"Accept-Encoding": ", ".join(ENCODINGS)})  # fmt: skip
        else:
            await self._post(kind, encoding, headers, receive, reply)

    async def _post(
        self,
        kind: ExportKind,
        encoding: str,
        headers: Mapping[str, str],
        receive: _Receive,
        reply: _Reply,
    ) -> None:
        body = await read(receive, self.intake.max_request_bytes, headers, self._coming)
        if body is None:
            return
        answer: Answer | None
        if isinstance(body, Answer):
            answer = body
        else:
            begun = self.intake.begin(kind, body, encoding=encoding, as_json=reply.as_json)
            del body
            answer = await self._heard(begun, receive) if isinstance(begun, Work) else begun
        if answer is None:
            return
        if answer.code == "ok":
            await reply.message(200, new_response(kind, answer.rejected))
            return
        after = {"Retry-After": str(math.ceil(answer.after_s))} if answer.after_s else {}
        await reply.fault(_STATUS[answer.code], answer.text, after)

    async def _heard(self, work: Work, receive: _Receive) -> Answer | None:
        """The answer, once there is one; None where the sender has left before."""
        done = asyncio.wrap_future(work.done)
        gone = asyncio.ensure_future(_disconnect(receive))
        either: set[asyncio.Future[Any]] = {done, gone}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not gone.done():
                self.intake.heard(work)
                return done.result()
            self.intake.left(work)
            return None
        finally:
            gone.cancel()


_Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


async def _disconnect(receive: _Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class _Reply:
    """Writes one HTTP response in the encoding that the request had."""

    def __init__(self, send: _Send, *, as_json: bool) -> None:
        self._send, self.as_json = send, as_json

    async def message(
        self, status: int, message: Any, headers: Mapping[str, str] | None = None
    ) -> None:
        from google.protobuf import json_format

        if self.as_json:
            kind, body = "application/json", json.dumps(json_format.MessageToDict(message)).encode()
        else:
            kind, body = "application/x-protobuf", message.SerializeToString()
        lines = {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}
        pairs = [(name.encode(), value.encode()) for name, value in lines.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": pairs})
        await self._send({"type": "http.response.body", "body": body})

    async def fault(self, status: int, text: str, headers: Mapping[str, str] | None = None) -> None:
        from google.rpc.status_pb2 import Status

        await self.message(status, Status(code=_CODES[status], message=text), headers)


def _started_pool() -> ThreadPoolExecutor:
    """All threads started: one that cannot be, later, would end gRPC's own with it."""
    pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="otlp-grpc")
    together = threading.Barrier(_THREADS)
    for future in [pool.submit(together.wait) for _ in range(_THREADS)]:
        future.result(_START_S)
    return pool


def _abort(context: Any, answer: Answer) -> None:
    """Ends an RPC; where it may be tried again the status says when."""
    import grpc

    code = grpc.StatusCode[_GRPC[answer.code]]
    if answer.code in ("unavailable", "throttled") and answer.after_s > 0:
        try:
            details = _retry_info(code.value[0], answer)
            context.set_trailing_metadata((("grpc-status-details-bin", details),))
        except Exception:  # noqa: BLE001  no memory for it: what is unavailable is tried again anyway
            code = grpc.StatusCode.UNAVAILABLE
    context.abort(code, answer.text)


def _retry_info(code: int, answer: Answer) -> bytes:
    from google.protobuf.any_pb2 import Any as AnyMessage
    from google.protobuf.duration_pb2 import Duration
    from google.rpc.error_details_pb2 import RetryInfo
    from google.rpc.status_pb2 import Status

    delay = Duration()
    delay.FromNanoseconds(int(answer.after_s * 1e9))
    detail = AnyMessage()
    detail.Pack(RetryInfo(retry_delay=delay))
    status = Status(code=code, message=answer.text, details=[detail])
    return bytes(status.SerializeToString())


class _HttpServer:
    """uvicorn on a loop and a thread of its own."""

    def __init__(self, app: Any, address: str, tls: Tls | None) -> None:
        import ssl

        import uvicorn

        host, _, port = address.rpartition(":")
        self._address = address
        try:
            config = uvicorn.Config(
                app,
                host=host.strip("[]"),
                port=int(port),
                http="h11",
                ws="none",
                lifespan="off",
                loop="asyncio",
                interface="asgi3",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=int(_GRACE_S),
                ssl_certfile=tls.cert_file if tls else None,
                ssl_keyfile=tls.key_file if tls else None,
                ssl_ca_certs=tls.client_ca_file if tls else None,
                ssl_cert_reqs=ssl.CERT_REQUIRED if tls and tls.client_ca_file else ssl.CERT_NONE,
            )
            config.load()
        except (OSError, ssl.SSLError):
            raise SourceError("otlp: the certificate's files cannot be used") from None
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="otlp-http", daemon=True)

    def _run(self) -> None:
        # uvicorn ends the interpreter where it cannot listen.
        with contextlib.suppress(SystemExit):
            self._server.run()

    def start(self) -> int:
        """The port it listens on. Raises SourceError where it cannot."""
        self._thread.start()
        deadline = time.monotonic() + _START_S
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise SourceError(
                    f"otlp: cannot listen on {self._address}",
                    hint="is something else listening there?",
                )
            time.sleep(0.01)
        return int(self._server.servers[0].sockets[0].getsockname()[1])

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join(_GRACE_S + 2.0)
