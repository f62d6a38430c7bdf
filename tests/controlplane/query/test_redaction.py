"""What leaves the machine in a bug report: structure and names, and no credentials."""

from typing import Any

import pytest

from mirrorplane.controlplane.query.redaction import REDACTED, redact, redact_text


@pytest.mark.parametrize(
    ("value", "redacted"),
    [
        ({"key": "Authorization", "value": "Basic abc"}, {"key": "Authorization", "value": REDACTED}),
        ({"key": "x-api-key", "value": "k"}, {"key": "x-api-key", "value": REDACTED}),
        ({"key": "x-plain", "value": "v"}, {"key": "x-plain", "value": "v"}),
        (
            {"name": "cookie", "string_match": {"exact": "a=b"}, "invert_match": True},
            {"name": "cookie", "string_match": REDACTED, "invert_match": REDACTED},
        ),
        ({"name": "token-service", "type": "EDS"}, {"name": "token-service", "type": "EDS"}),
        ({"body": {"inline_string": "x"}}, {"body": {"inline_string": REDACTED}}),
        ([{"a": "Bearer abcdefgh"}], [{"a": REDACTED}]),
        (7, 7),
    ],
)
def test_values_that_may_be_secret_are_replaced(value: Any, redacted: Any):
    assert redact(value) == redacted


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("a eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln b", f"a {REDACTED} b"),
        ("-----BEGIN EC PRIVATE KEY-----\nMHc\n-----END EC PRIVATE KEY-----", REDACTED),
        ("http://a/?q=1&access_token=abc&b=2", f"http://a/?q=1&{REDACTED}&b=2"),
        ("the bearer of a token", "the bearer of a token"),
        ("outbound|80||keys.default.svc.cluster.local", "outbound|80||keys.default.svc.cluster.local"),
    ],
)
def test_text_that_looks_like_a_secret_is_replaced(text: str, redacted: str):
    assert redact_text(text) == redacted
