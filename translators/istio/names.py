"""How Istio's objects name each other."""

MESH = "mesh"


def gateway_name(said: str, namespace: str) -> str:
    """Return a gateway's name as `namespace/name`; `mesh` are all sidecars.

    Istio: a name alone, or behind `./`, is one of the object's own namespace; `name.namespace.svc...` is the old form.
    What has a colon is no name, and must not become that of another API's gateway (see api/gateways): whose rules hold
    there is not for Istio's objects to say.
    """
    if ":" in said:
        return f"{namespace}/{said}"
    owner, slash, name = said.rpartition("/")
    if slash:
        return f"{namespace if owner == '.' else owner}/{name}"
    if said == MESH:
        return said
    name, dot, rest = said.partition(".")
    return f"{rest.partition('.')[0] if dot else namespace}/{name}"
