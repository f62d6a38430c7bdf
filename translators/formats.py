"""Header values, in which `%…%` are Envoy's format commands: which ones are refused.

One value that Envoy rejects makes it reject all routes, so we refuse it first. Commands that read the proxy's
environment, files or secrets are refused too: permission to write a route must not grant access to those.
"""

import re

# Envoy's HeaderValue has this limit in its .proto (`max_bytes`).
LONGEST_VALUE = 16_384
_NEVER = re.compile(r"[\x00\r\n]")
PLAIN = frozenset([
    "START_TIME", "START_TIME_LOCAL", "BYTES_RECEIVED", "BYTES_SENT", "PROTOCOL", "UPSTREAM_PROTOCOL",
    "RESPONSE_CODE", "RESPONSE_CODE_DETAILS", "RESPONSE_FLAGS", "RESPONSE_FLAGS_LONG", "ROUTE_NAME",
    "VIRTUAL_CLUSTER_NAME", "UPSTREAM_HOST", "UPSTREAM_CLUSTER", "UPSTREAM_CLUSTER_RAW", "UPSTREAM_LOCAL_ADDRESS",
    "UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", "UPSTREAM_LOCAL_PORT", "UPSTREAM_REMOTE_ADDRESS",
    "UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", "UPSTREAM_REMOTE_PORT", "UPSTREAM_TRANSPORT_FAILURE_REASON",
    "UPSTREAM_REQUEST_ATTEMPT_COUNT", "DOWNSTREAM_REMOTE_ADDRESS", "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_REMOTE_PORT", "DOWNSTREAM_DIRECT_REMOTE_ADDRESS", "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_DIRECT_REMOTE_PORT", "DOWNSTREAM_LOCAL_ADDRESS", "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_LOCAL_PORT", "CONNECTION_ID", "UPSTREAM_CONNECTION_ID", "STREAM_ID", "REQUESTED_SERVER_NAME",
    "DOWNSTREAM_LOCAL_URI_SAN", "DOWNSTREAM_PEER_URI_SAN", "DOWNSTREAM_LOCAL_DNS_SAN", "DOWNSTREAM_PEER_DNS_SAN",
    "DOWNSTREAM_LOCAL_SUBJECT", "DOWNSTREAM_PEER_SUBJECT", "DOWNSTREAM_PEER_ISSUER", "DOWNSTREAM_TLS_SESSION_ID",
    "DOWNSTREAM_TLS_CIPHER", "DOWNSTREAM_TLS_VERSION", "DOWNSTREAM_PEER_FINGERPRINT_256",
    "DOWNSTREAM_PEER_FINGERPRINT_1", "DOWNSTREAM_PEER_SERIAL", "DOWNSTREAM_PEER_CERT", "DOWNSTREAM_PEER_CERT_V_START",
    "DOWNSTREAM_PEER_CERT_V_END", "HOSTNAME", "FILTER_CHAIN_NAME", "UNIQUE_ID", "PATH", "TRACE_ID", "SPAN_ID",
    "DURATION", "REQUEST_DURATION", "RESPONSE_DURATION",
])  # fmt: skip
"""Commands without parameters."""
_HEADER = r"[-A-Za-z0-9_.:]+"
_COMMAND = re.compile(
    rf"%(?:%|(?P<plain>[A-Z0-9_]+)%|(?:REQ|RESP|TRAILER)\({_HEADER}(?:\?{_HEADER})?\)(?::[0-9]{{1,4}})?%"
    r"|START_TIME\([-%A-Za-z0-9:./_ ]*\)%|QUERY_PARAM\([-A-Za-z0-9_.]+\)(?::[0-9]{1,4})?%"
    r"|(?:DYNAMIC_METADATA|FILTER_STATE|UPSTREAM_METADATA)\([-A-Za-z0-9_.:/]+\)%)"
)


def value_problem(value: str) -> str:
    """Return why Envoy rejects this header value, or ""."""
    if _NEVER.search(value):
        return "a header value must not contain line breaks or NUL"
    if len(value.encode()) > LONGEST_VALUE:
        return f"the value has {len(value.encode())} bytes; Envoy's limit is {LONGEST_VALUE}"
    start = value.find("%")
    while start >= 0:
        command = _COMMAND.match(value, start)
        if command is None or (command["plain"] and command["plain"] not in PLAIN):
            return f"{value[start : start + 40]!r} is not an allowed format command; write %% for a per cent sign"
        start = value.find("%", command.end())
    return ""


def text_problem(text: str) -> str:
    """Return why a host, path or scheme is invalid, or "": it is sent as a header value."""
    return "the value must not contain line breaks or NUL" if _NEVER.search(text) else ""
