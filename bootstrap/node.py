"""The identity a proxy claims: the names, labels and metadata of its xDS Node, validated before Envoy reads them.

Separate from `bootstrap.envoy` because node files (`render`, `explain`) need the same validation.
"""

import re
from typing import Any

from mirrorplane.api.hosts import is_ip
from mirrorplane.api.proxy import INTERCEPTIONS, ROLES, Proxy

MAX_LABEL = 63
MAX_SUBDOMAIN = 253

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_DNS_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL_WORD = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")


class NodeError(ValueError):
    """A name, label or address that a Node may not carry. The message names the value and the rule it breaks."""


def validated(proxy: Proxy) -> Proxy:
    """Return the proxy unchanged, or raise NodeError for the first part of it that breaks a rule.

    Names follow Kubernetes (RFC 1123), so that the node id can be split again at its `~` and its dots.
    """
    _check_choice("role", proxy.role, ROLES)
    _check_choice("interception mode", proxy.interception, INTERCEPTIONS)
    check_subdomain("name", proxy.name)
    check_label("namespace", proxy.namespace)
    check_subdomain("domain", proxy.domain)
    check_ip(proxy.ip)
    for key, value in proxy.labels.items():
        _check_label_pair(key, value)
    return proxy


def parse_labels(text: str) -> dict[str, str]:
    """Parse `app=httpbin,version=v1`; blanks around pairs are ignored, an empty text has no labels.

    Keys and values follow Kubernetes' label syntax. Raises NodeError for a pair without `=`, a repeated key, and a key
    or value that Kubernetes would reject.
    """
    labels: dict[str, str] = {}
    for pair in text.split(",") if text.strip() else ():
        key, equals, value = (part.strip() for part in pair.partition("="))
        if not equals:
            raise NodeError(f"label {pair.strip()!r}: want key=value, as in app=httpbin,version=v1")
        if key in labels:
            raise NodeError(f"label {key!r} is given twice")
        _check_label_pair(key, value)
        labels[key] = value
    return labels


def check_label(what: str, name: str) -> None:
    """Raise NodeError unless `name` is an RFC 1123 label, as namespaces are. `what` names it in the message."""
    if len(name) > MAX_LABEL or not _DNS_LABEL.fullmatch(name):
        raise NodeError(
            f"{what} {name!r}: want at most {MAX_LABEL} lower-case letters, digits and '-', "
            "with a letter or digit at both ends (RFC 1123 label)"
        )


def check_subdomain(what: str, name: str) -> None:
    """Raise NodeError unless `name` is an RFC 1123 subdomain, as pods and host names are."""
    if len(name) > MAX_SUBDOMAIN or not _DNS_SUBDOMAIN.fullmatch(name):
        raise NodeError(
            f"{what} {name!r}: want at most {MAX_SUBDOMAIN} lower-case letters, digits, '-' and '.', "
            "with a letter or digit at both ends of every part (RFC 1123 subdomain)"
        )


def check_ip(address: str) -> None:
    """Raise NodeError unless `address` is an IPv4 or IPv6 address without a zone, which is only valid on one host."""
    if not is_ip(address):
        raise NodeError(f"address {address!r}: want an IPv4 or IPv6 address, as in 10.0.0.7 or fd00::7")


def node_cluster(proxy: Proxy) -> str:
    """Return the Node's cluster, `httpbin.default`: the proxy's `app` label, else its name."""
    return f"{proxy.labels.get('app') or proxy.name}.{proxy.namespace}"


def node_metadata(proxy: Proxy) -> dict[str, Any]:
    """Return what the node id has no room for, under the keys of Istio's proxies. All values are JSON-ready."""
    metadata: dict[str, Any] = {
        "NAME": proxy.name,
        "NAMESPACE": proxy.namespace,
        "LABELS": dict(sorted(proxy.labels.items())),
        "INTERCEPTION_MODE": proxy.interception,
    }
    if proxy.unprivileged:
        metadata["UNPRIVILEGED_POD"] = "true"  # a string, as Istio's agent writes it
    return metadata


def _check_choice(what: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise NodeError(f"{what} {value!r} is not one of {', '.join(choices)}")


def _check_label_pair(key: str, value: str) -> None:
    prefix, slash, word = key.rpartition("/")
    if slash:
        check_subdomain(f"label {key!r}: prefix", prefix)
    _check_label_word(f"label key {key!r}", word)
    if value:  # Kubernetes allows an empty value
        _check_label_word(f"label {key!r}: value {value!r}", value)


def _check_label_word(what: str, word: str) -> None:
    if len(word) > MAX_LABEL or not _LABEL_WORD.fullmatch(word):
        raise NodeError(
            f"{what}: want 1 to {MAX_LABEL} letters, digits, '-', '_' and '.', with a letter or digit at both ends"
        )
