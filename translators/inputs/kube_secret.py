"""Kubernetes Secret -> Credential. Other than TLS Secrets are ignored; no message or repr contains their content.

See decision 0026.
"""

from base64 import b64decode
from collections.abc import Callable, Iterator
from functools import partial

import msgspec

from mirrorplane.api.credentials import Credential
from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds import secret as kube
from mirrorplane.api.mesh import Lowered
from mirrorplane.api.meta import Object
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Input

_TLS = "kubernetes.io/tls"
_ENTRIES = {
    "chain": ("tls.crt", "cert"),
    "key": ("tls.key", "key"),
    "ca": ("ca.crt", "cacert"),
    "crl": ("ca.crl", "crl"),
}
"""The entry of each part of a Credential: in Secrets of type kubernetes.io/tls, and in Istio's generic ones."""


class _Part(msgspec.Struct, frozen=True):
    """An entry of a Secret: its path, and its content, which is None when it is not base64."""

    path: str = ""
    content: bytes | None = b""

    def __repr__(self) -> str:
        return f"_Part({self.path})"


def lower(_: View, obj: Object[kube.Secret]) -> Lowered:
    """Return the credential; nothing for a Secret without one."""
    parts = {name: part.content or b"" for name, part in _parts(obj.spec).items()}
    has_pair = parts["chain"] and parts["key"]
    if not has_pair and not parts["ca"]:
        return Lowered()
    credential = Credential(obj.ref, ca=parts["ca"], crl=parts["crl"])
    if has_pair:
        names = _names(parts["chain"])
        credential = msgspec.structs.replace(credential, chain=parts["chain"], key=parts["key"], names=names)
    return Lowered(credentials=(credential,))


def validate(obj: Object[kube.Secret]) -> Iterator[Finding]:
    """Refuse what Envoy would reject, so that the previous Secret stays in use."""
    # Not above: it loads cryptography, 0.2 s, which `check` of manifests without Secrets need not wait for.
    from mirrorplane.translators.secrets import pem

    parts = _parts(obj.spec)
    for part in parts.values():
        if part.content is None:
            yield _finding(obj, part, "not valid base64")
    if any(part.content is None for part in parts.values()):
        return
    yield from _pair_findings(obj, parts)
    checks: tuple[tuple[str, Callable[[bytes], None]], ...] = (
        ("ca", pem.check_authorities),
        ("crl", pem.check_revocations),
    )
    for name, check in checks:
        if parts[name].content and (parts["chain"].content or _is_about_tls(parts[name])):
            yield from _problem(obj, parts[name], partial(check, parts[name].content or b""))


def _pair_findings(obj: Object[kube.Secret], parts: dict[str, _Part]) -> Iterator[Finding]:
    """Refuse a certificate without key or the reverse, in Secrets about TLS: any other may have an entry `key`."""
    chain, key = parts["chain"], parts["key"]
    if chain.content and key.content:
        yield from _problem(obj, chain, partial(_check, chain.content, key.content))
        return
    is_tls = obj.spec.type == _TLS or any(part.content and _is_about_tls(part) for part in (chain, key))
    if is_tls:
        for name, part in (("chain", chain), ("key", key)):
            if not part.content:
                empty = part if part.path else _Part(f"data[{_ENTRIES[name][0]}]")
                yield _finding(obj, empty, "missing or empty; tls.crt needs its tls.key")


def _names(chain: bytes) -> tuple[str, ...]:
    from mirrorplane.translators.secrets import pem

    return pem.host_names(chain)


def _check(chain: bytes, key: bytes) -> None:
    from mirrorplane.translators.secrets import pem

    pem.check_pair(chain, key)
    pem.check_served(chain)


def _problem(obj: Object[kube.Secret], part: _Part, check: Callable[[], None]) -> Iterator[Finding]:
    try:
        check()
    except ValueError as error:
        yield _finding(obj, part, str(error))


def _finding(obj: Object[kube.Secret], part: _Part, message: str) -> Finding:
    message += "; the last valid version, if any, stays in use"
    return Finding(
        obj.ref, "InvalidCredential", message, part.path, fix="replace it with a valid PEM certificate and key"
    )


def _is_about_tls(part: _Part) -> bool:
    """Tell whether an entry is about TLS by its name; `key` and `cert` may hold anything."""
    return any(part.path.endswith(f"[{names[0]}]") for names in _ENTRIES.values())


def _parts(spec: kube.Secret) -> dict[str, _Part]:
    return {name: _part(spec, names) for name, names in _ENTRIES.items()}


def _part(spec: kube.Secret, names: tuple[str, ...]) -> _Part:
    """Return an entry by the first of its names that is set; stringData wins over data."""
    for name in names:
        attribute = name.replace(".", "_")
        if text := getattr(spec.string_data, attribute):
            return _Part(f"stringData[{name}]", text.encode())
        if encoded := getattr(spec.data, attribute):
            return _Part(f"data[{name}]", _decoded(encoded))
    return _Part()


def _decoded(encoded: str) -> bytes | None:
    try:
        # The API server's decoder (Go's) skips line ends, and `base64` breaks its output into lines of 76.
        return b64decode("".join(encoded.split()), validate=True)
    except ValueError:
        return None


def _name(obj: Object[kube.Secret]) -> tuple[str, ...]:
    return (obj.ref.name,)


INPUT = Input(kinds=(kube.SECRET,), lower=lower, validate=validate, indexes={"credential.name": _name})
