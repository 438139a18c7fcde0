"""What the sinks that speak HTTP share."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from agenttrail.sinks._http import about_certificate, bare, retry_after_s

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "value, seconds",
    [
        ("0", 0.0),
        (" 120 ", 120.0),
        ("Fri, 02 Jan 2026 03:04:35 GMT", 30.0),
        ("Fri, 02 Jan 2026 03:04:00 GMT", 0.0),  # past
        (None, None),
        ("", None),
        ("-1", None),
        ("1.5", None),  # RFC 9110: whole seconds
        ("soon", None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert retry_after_s(value, NOW) == seconds


@pytest.mark.parametrize(
    "url, shown",
    [
        ("http://localhost:9200", "http://localhost:9200"),
        ("https://u:p%40ss@es.example.com/path", "https://es.example.com/path"),
        ("https://u:p@ss@[::1]:9200/?api_key=x#y", "https://[::1]:9200/"),
    ],
)
def test_a_url_is_shown_without_secrets(url: str, shown: str) -> None:
    assert bare(url) == shown


@pytest.mark.parametrize(
    "text, is_about",
    [
        (
            "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate",
            True,
        ),
        ("[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert certificate required", True),
        ("[SSL: TLSV1_ALERT_UNKNOWN_CA] tlsv1 alert unknown ca", True),
        ("[SSL: SSLV3_ALERT_BAD_CERTIFICATE] sslv3 alert bad certificate", True),
        ("EOF occurred in violation of protocol", False),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number", False),
        ("HTTPSConnectionPool(host='certificate.example.com'): reset", False),
    ],
)
def test_a_wrong_certificate_is_told_from_a_broken_handshake(text: str, is_about: bool) -> None:
    assert about_certificate(text) == is_about
