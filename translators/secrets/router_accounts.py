"""Which service accounts are those of a gateway's routers, and so may be sent the Secrets that it names.

A proxy says itself that it is a router and which labels it has, so its labels prove nothing. Its service account is
authenticated. See decision 0133.
"""

from collections.abc import Iterable, Mapping

from mirrorplane.api.meta import Labels

ANNOTATION = "mirrorplane.io/service-accounts"
"""On a Gateway of either API: the service accounts of its routers, separated by commas; `*` is any of the namespace."""
ISTIO_ANNOTATION = "gateway.istio.io/service-account"
"""Istio's: the service account that its deployment controller gives the routers of a Gateway of Gateway API."""
ANY_ACCOUNT = "*"
_ISTIO, _NAMES = "istio", ("app", "app.kubernetes.io/name")
_SUFFIX = "-service-account"


def annotated_accounts(annotations: Mapping[str, str]) -> tuple[str, ...]:
    """Return the service accounts that the annotations of a gateway list."""
    listed = annotations.get(ANNOTATION, "").split(",")
    return tuple(filter(None, (name.strip() for name in (*listed, annotations.get(ISTIO_ANNOTATION, "")))))


def accounts_of_class(gateway: str, class_name: str) -> tuple[str, ...]:
    """Return the service account that a Gateway's routers have by convention (Istio's deployment controller)."""
    return (f"{gateway}-{class_name}",)


def accounts_of_selector(selector: Labels) -> tuple[str, ...]:
    """Return the service accounts that routers with the labels of a selector have, as Istio installs them.

    The chart `gateway` names the service account after the release, which is the label `app`, and without `istio-` the
    label `istio`; istioctl appends `-service-account`.
    """
    labels = dict(selector)
    values = (labels.get(key, "") for key in (*_NAMES, _ISTIO))
    names = [value for value in values if value not in {"", ANY_ACCOUNT}]
    return tuple(dict.fromkeys((*remote_accounts_of_selector(selector), *_with_suffix(names))))


def remote_accounts_of_selector(selector: Labels) -> tuple[str, ...]:
    """Return those of these service accounts that belong to Istio's gateways in whatever namespace.

    Whoever writes a Gateway must not choose which workloads of another namespace get that namespace's Secrets, so here
    a label alone does not do: the name has to be one that only Istio's gateways have.
    """
    name = dict(selector).get(_ISTIO, "")
    return _with_suffix([f"istio-{name}"]) if name else ()


def _with_suffix(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(account for name in names for account in (name, name + _SUFFIX))
