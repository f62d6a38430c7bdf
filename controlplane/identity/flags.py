"""What `mirrorplane serve` was told about security, checked as a whole: half of a pair is a mistake. Pure."""

from pathlib import Path

import msgspec

from mirrorplane.controlplane.identity.authoriser import Security
from mirrorplane.controlplane.identity.certificates import TlsFiles
from mirrorplane.controlplane.identity.tokens import TokenRules

_SECURE = "serve TLS (--tls-cert, --tls-key) and say how proxies prove who they are (--client-ca or --jwks)"


class SecurityFlagsError(ValueError):
    """Flags that do not make sense together. The message says which, and what to do."""


class SecurityFlags(msgspec.Struct, frozen=True):
    """The flags, as given."""

    tls_cert: Path | None = None
    tls_key: Path | None = None
    client_ca: Path | None = None
    jwks: Path | None = None
    audience: str = ""
    issuer: str = ""
    trust_domain: str = ""
    insecure: bool = False


def security_of(flags: SecurityFlags, *, exposed: bool) -> Security:
    """Return how to secure xDS. `exposed`: others than this machine can reach the address.

    Raises SecurityFlagsError.
    """
    _check_pairs(flags)
    tls = TlsFiles(flags.tls_cert, flags.tls_key, flags.client_ca) if flags.tls_cert and flags.tls_key else None
    found = Security(tls, _tokens(flags) if flags.jwks else None, flags.trust_domain)
    if flags.trust_domain and not found.identifies:
        raise SecurityFlagsError("--trust-domain says nothing without --client-ca or --jwks")
    if exposed and not flags.insecure and not (tls and found.identifies):
        raise SecurityFlagsError(
            f"the xDS address is not a loopback one: {_SECURE}, or accept the risk with --insecure"
        )
    return found


def _check_pairs(flags: SecurityFlags) -> None:
    if (flags.tls_cert is None) != (flags.tls_key is None):
        raise SecurityFlagsError("--tls-cert and --tls-key go together")
    if flags.client_ca and not flags.tls_cert:
        raise SecurityFlagsError("--client-ca needs --tls-cert and --tls-key: client certificates are part of TLS")
    if flags.client_ca and flags.jwks:
        raise SecurityFlagsError("--client-ca and --jwks: choose one way for proxies to prove who they are")
    if (flags.audience or flags.issuer) and not flags.jwks:
        raise SecurityFlagsError("--audience and --issuer are about tokens: they need --jwks")


def _tokens(flags: SecurityFlags) -> TokenRules:
    assert flags.jwks is not None
    rules = TokenRules(flags.jwks, issuer=flags.issuer)
    said = {"audience": flags.audience, "trust_domain": flags.trust_domain}
    return msgspec.structs.replace(rules, **{name: value for name, value in said.items() if value})
