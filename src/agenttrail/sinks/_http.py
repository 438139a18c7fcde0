"""What the sinks that speak HTTP share."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from urllib.parse import urlsplit

_CERTIFICATE = re.compile(
    r"certificate (?:verify failed|required|unknown|expired|revoked)|bad certificate|unknown ca",
    re.IGNORECASE,
)


def retry_after_s(value: str | None, now: datetime) -> float | None:
    """Seconds of a Retry-After header (RFC 9110, 10.2.3), never negative; None where it says nothing."""
    from email.utils import parsedate_to_datetime  # here, because it costs every start 8 ms

    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())


def bare(url: str) -> str:
    """The URL without credentials, fit for a message."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def about_certificate(text: str) -> bool:
    """Whether the text of a TLS error says that a certificate is missing or wrong (OpenSSL's words)."""
    return _CERTIFICATE.search(text) is not None
