"""Removes what may be a secret from values that leave the machine: credentials in headers, tokens, keys, bodies.

Resources and findings hold no Secret objects; but a rule may add or match a header with a credential.
"""

import re
from collections.abc import Mapping
from typing import Any

REDACTED = "[redacted]"
_SENSITIVE = re.compile(
    r"(?i)^(authorization|proxy-authorization|cookie|set-cookie|x-forwarded-client-cert)$"
    r"|token|secret|passw|api-?key|credential|session|signature"
)
"""Names of headers, cookies and query parameters whose values are left out."""
_INLINE = frozenset({"inline_string", "inline_bytes", "private_key", "password"})
"""Fields of Envoy's messages that hold content: a body that is answered, a key, a password."""
_TOKEN = re.compile(
    r"(?i)\b(?:bearer|basic)\s+[\w.~+/=-]{6,}"  # RFC 6750, RFC 7617
    r"|\beyJ[\w-]+\.[\w-]+\.[\w-]*"  # a JWT: its header is JSON, which begins so in base64
    r"|-----BEGIN [^-]+-----.*?-----END [^-]+-----"
    r"|(?<=[?&])[^=&\s]*(?:token|secret|passw|key)[^=&\s]*=[^&\s]+",
    re.DOTALL,
)


def redact(value: Any) -> Any:
    """Return a plain value without what may be a secret. Names stay, so that the structure can be read."""
    if isinstance(value, Mapping):
        if _is_sensitive_pair(value):
            return {key: child if key in {"key", "name"} else REDACTED for key, child in value.items()}
        return {key: _field(key, child) for key, child in value.items()}
    if isinstance(value, list):
        return [redact(child) for child in value]
    return redact_text(value) if isinstance(value, str) else value


def redact_text(text: str) -> str:
    """Return a text without tokens, keys in PEM, and query parameters that are named like a secret."""
    return _TOKEN.sub(REDACTED, text)


def _field(key: str, value: Any) -> Any:
    return REDACTED if key in _INLINE else redact(value)


def _is_sensitive_pair(value: Mapping[str, Any]) -> bool:
    """Tell whether a mapping is a header with its value, or a matcher of one: `{name: cookie, string_match: …}`."""
    name = value.get("key") or value.get("name")
    is_pair = {"key", "value"} <= value.keys() or any(key.endswith("_match") for key in value)
    return is_pair and isinstance(name, str) and _SENSITIVE.search(name) is not None
