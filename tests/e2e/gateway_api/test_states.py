"""Statuses that Gateway API's features require, from a running control plane without proxies."""

from collections.abc import Mapping
from typing import Any

from mirrorplane.controlplane.playground.stage import Stage
from tests import fast_yaml as yaml
from tests.e2e.support.feature_cases import GATEWAY_CLASS, OTHER_NAMESPACE
from tests.e2e.support.gateway_states import State, parts_of
from tests.e2e.support.listener_set_states import STATES
from tests.e2e.support.manifests import NO_ACCESS_LOG, join_manifests


def _in_own_namespaces(text: str, number: int) -> str:
    """The manifests in namespaces of their own, by number."""
    renamed = {"default": f"s{number}", OTHER_NAMESPACE: f"s{number}-{OTHER_NAMESPACE}"}

    def renamed_namespaces(value: Any) -> Any:
        if isinstance(value, list):
            return [renamed_namespaces(item) for item in value]
        if isinstance(value, dict):
            return {k: renamed.get(v, v) if k == "namespace" else renamed_namespaces(v) for k, v in value.items()}
        return value

    objects = []
    for obj in yaml.safe_load_all(text):
        if obj["kind"] == "Namespace":
            obj["metadata"]["name"] = renamed[obj["metadata"]["name"]]
        elif obj["kind"] != "GatewayClass":
            obj["metadata"].setdefault("namespace", "default")
        objects.append(renamed_namespaces(obj))
    manifests: str = yaml.safe_dump_all(objects)
    return manifests


async def test_statuses_are_those_that_the_features_require(stage: Stage):
    states = list(STATES.items())
    stage.write(
        "refused.yaml",
        join_manifests(
            *(_in_own_namespaces(text, i) for i, (_, s) in enumerate(states) for text in s.rejected_objects)
        ),
    )
    await stage.apply(
        join_manifests(
            NO_ACCESS_LOG,
            GATEWAY_CLASS,
            *(_in_own_namespaces(join_manifests(*s.objects), i) for i, (_, s) in enumerate(states)),
        )
    )
    statuses = {
        (r.namespace, f"{r.kind.rpartition('/')[2]} {r.name}"): s for r, s in await stage.app.status_updater.statuses()
    }
    problems = [
        f"{name}: {problem}"
        for i, (name, state) in enumerate(states)
        for problem in _problems(state, statuses, f"s{i}")
    ]
    assert not problems, "\n".join(problems)


def _problems(state: State, statuses: Mapping[tuple[str, str], Any], namespace: str) -> list[str]:
    problems = []
    for object_name, parts in state.expected.items():
        status = statuses.get((namespace, object_name)) or statuses.get((f"{namespace}-{OTHER_NAMESPACE}", object_name))
        if status is None:
            problems.append(f"{object_name} has no status")
            continue
        actual = parts_of(status)
        if parts.keys() - {""} and parts.keys() - {""} != actual.keys() - {""}:
            problems.append(f"{object_name} has {sorted(actual)}")
        problems += [
            f"{object_name} {part}: {key} is {actual.get(part, {}).get(key)}, not {value}"
            for part, expected in parts.items()
            for key, value in expected.items()
            if actual.get(part, {}).get(key) != value
        ]
    return problems
