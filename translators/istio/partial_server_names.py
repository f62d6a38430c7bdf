"""The server names that Envoy cannot match: partial wildcards in SNI."""

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.meta import Ref


def partial_server_name(about: Ref, host: str, path: str, severity: Severity = Severity.ERROR) -> Finding:
    """Report a partial wildcard where SNI selects the service or server.

    Envoy rejects the whole listener: `server_names` takes names, and `*.` before one
    (config/listener/v3/listener_components.proto). Istio only warns (`ValidatePartialWildCard`).
    """
    message = f"Envoy cannot match the partial wildcard {host!r} against SNI: `*` must be the whole first label"
    suffix = host.partition(".")[2]
    fix = f"use *.{suffix}, or list the names" if suffix else "list the names"
    return Finding(about, "NotServed", message, path, severity, fix)
