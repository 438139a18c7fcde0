"""Events out of Elasticsearch, as the JSON Lines that they were: questions are asked of both alike.

An address is `http(s)://HOST:PORT/DATA-STREAM`; without a data stream, `logs-agenttrail.audit-*`. A
user stands in the environment: AGENTTRAIL_ES_USER and AGENTTRAIL_ES_PASSWORD.

Reads by point in time and `search_after`, 2,000 events a page, so that what is written meanwhile neither
repeats nor hides an event. Version: elasticsearch client and server 8.19.

Limits: all events are fetched into a temporary file before the first question; what was written within
the last refresh interval of Elasticsearch is not seen yet.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from agenttrail import jsontext
from agenttrail.errors import Unreachable, UsageError

_PAGE = 2_000
_STREAM = "logs-agenttrail.audit-*"


def is_address(name: str) -> bool:
    """Whether a name is an address and no file."""
    return name.startswith(("http://", "https://"))


@contextlib.contextmanager
def fetched(address: str) -> Iterator[list[Path]]:
    """A temporary file with the events behind an address, for the length of the block.

    Raises:
        UsageError: the address cannot be one, or the client is not installed.
        Unreachable: the server cannot be asked, or has no such data stream.
    """
    parts = urlsplit(address)
    if not parts.hostname or parts.username:
        raise UsageError(f"not an address: {address.partition('@')[2] or address}", hint="http://HOST:PORT/DATA-STREAM; the user stands in AGENTTRAIL_ES_USER")  # fmt: skip
    try:
        import elasticsearch
    except ImportError:
        raise UsageError("the package elasticsearch is not installed", hint="pip install 'agenttrail[elasticsearch]'") from None  # fmt: skip
    user = os.environ.get("AGENTTRAIL_ES_USER")
    login = (user, os.environ.get("AGENTTRAIL_ES_PASSWORD", "")) if user else None
    base = f"{parts.scheme}://{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 9200)}"  # fmt: skip
    index = parts.path.strip("/") or _STREAM
    client = elasticsearch.Elasticsearch(base, basic_auth=login, request_timeout=60)
    with tempfile.TemporaryDirectory(prefix="agenttrail-") as folder:
        path = Path(folder) / "events.jsonl"
        try:
            with path.open("wb") as file:
                for line in _lines(client, index):
                    file.write(line)
        except elasticsearch.NotFoundError:
            raise Unreachable(f"{base} has no {index}", hint="agenttrail setup elasticsearch") from None  # fmt: skip
        except (elasticsearch.ApiError, elasticsearch.TransportError) as error:
            raise Unreachable(f"{base}/{index}: {type(error).__name__}", hint="is the address right, and may the user read it?") from None  # fmt: skip
        finally:
            client.close()
        yield [path] if path.stat().st_size else []


def _lines(client: object, index: str) -> Iterator[bytes]:
    import elasticsearch

    assert isinstance(client, elasticsearch.Elasticsearch)
    point = client.open_point_in_time(index=index, keep_alive="2m", ignore_unavailable=False)["id"]
    try:
        after = None
        while True:
            answer = client.search(
                size=_PAGE, pit={"id": point, "keep_alive": "2m"}, sort=[{"_shard_doc": "asc"}],
                search_after=after, track_total_hits=False,
            )  # fmt: skip
            hits = answer["hits"]["hits"]
            if not hits:
                return
            point, after = answer["pit_id"], hits[-1]["sort"]
            for hit in hits:
                yield jsontext.dumps(hit["_source"]) + b"\n"
    finally:
        with contextlib.suppress(elasticsearch.ApiError, elasticsearch.TransportError):
            client.close_point_in_time(id=point)
