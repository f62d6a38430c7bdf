"""The security flags of `mirrorplane serve`, checked together: half of a pair is a mistake. Pure."""

from pathlib import Path

import msgspec

from mirrorplane.controlplane.identity.authoriser import Security
from mirrorplane.controlplane.identity.certificates import TlsFiles
from mirrorplane.controlplane.identity.tokens import TokenRules

_SECURE = "serve TLS (--tls-cert, --tls-key) and require identity (--client-ca or --jwks)"


class SecurityFlagsError(ValueError):
    """Flags that contradict each other. The message names them and the fix."""


class SecurityFlags(msgspec.Struct, frozen=True):
    """The flags as passed."""

    tls_cert: Path | None = None
    tls_key: Path | None = None
    client_ca: Path | None = None
    jwks: Path | None = None
    audience: str = ""
    issuer: str = ""
    trust_domain: str = ""
    insecure: bool = False


def security_from_flags(flags: SecurityFlags, *, exposed: bool) -> Security:
    """Return how to secure xDS. `exposed`: other machines can reach the address. Raises SecurityFlagsError."""
    _check_pairs(flags)
    tls = TlsFiles(flags.tls_cert, flags.tls_key, flags.client_ca) if flags.tls_cert and flags.tls_key else None
    security = Security(tls, _token_rules(flags) if flags.jwks else None, flags.trust_domain)
    if flags.trust_domain and not security.identifies:
        raise SecurityFlagsError("--trust-domain has no effect without --client-ca or --jwks")
    if exposed and not flags.insecure and not (tls and security.identifies):
        raise SecurityFlagsError(f"the xDS address is not loopback: {_SECURE}, or accept the risk with --insecure")
    return security


def _check_pairs(flags: SecurityFlags) -> None:
    if (flags.tls_cert is None) != (flags.tls_key is None):
        raise SecurityFlagsError("--tls-cert and --tls-key must be used together")
    if flags.client_ca and not flags.tls_cert:
        raise SecurityFlagsError("--client-ca needs --tls-cert and --tls-key: client certificates are part of TLS")
    if flags.client_ca and flags.jwks:
        raise SecurityFlagsError("--client-ca and --jwks are exclusive: choose one way to identify proxies")
    if (flags.audience or flags.issuer) and not flags.jwks:
        raise SecurityFlagsError("--audience and --issuer apply to tokens: they need --jwks")


def _token_rules(flags: SecurityFlags) -> TokenRules:
    assert flags.jwks is not None
    rules = TokenRules(flags.jwks, issuer=flags.issuer)
    overrides = {"audience": flags.audience, "trust_domain": flags.trust_domain}
    return msgspec.structs.replace(rules, **{name: value for name, value in overrides.items() if value})
