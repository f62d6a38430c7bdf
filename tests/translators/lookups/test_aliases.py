"""Chains of ExternalNames: followed to the service, and not for ever."""

from mirrorplane.api.proxy import Visibility
from mirrorplane.translators.lookups.alias_names import alias_names
from mirrorplane.translators.lookups.aliases import MAX_CHAIN, resolve_alias
from tests.builders import plane_of

SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{name: http, port: 80}]}\n---\n"


def host(name: str) -> str:
    return f"{name}.default.svc.cluster.local"


def chain(length: int, end: str) -> str:
    """Services a0, a1, ..., each an alias of the next, and the last of `end`."""
    targets = [*(f"a{i}" for i in range(1, length)), end]
    kind = "apiVersion: v1\nkind: Service\n"
    return "---\n".join(
        f"{kind}metadata: {{name: a{i}}}\nspec: {{type: ExternalName, externalName: {host(target)}}}\n"
        for i, target in enumerate(targets)
    )


async def test_a_chain_is_followed_as_far_as_resolvers_of_dns_do():
    plane = await plane_of(SERVICE + chain(MAX_CHAIN + 2, "web"))
    view = plane.engine.view
    assert resolve_alias(view, host("a2")) == host("web")
    assert [resolve_alias(view, host(f"a{i}")) for i in range(2)] == [host("a0"), host("a1")]
    assert set(alias_names(view, Visibility("default"), host("web"))) == {
        host(f"a{i}") for i in range(2, MAX_CHAIN + 2)
    }
    assert [f.about.name for f in plane.findings.all() if f.reason == "AliasLoop"] == ["a0", "a1"]


async def test_a_loop_stands_for_nothing():
    plane = await plane_of(SERVICE + chain(3, "a0"))
    assert resolve_alias(plane.engine.view, host("a1")) == host("a1")
    assert {f.about.name for f in plane.findings.all() if f.reason == "AliasLoop"} == {"a0", "a1", "a2"}
