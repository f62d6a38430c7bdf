"""Statuses that Gateway API's features ask for, from a control plane that runs; those that need proxies have some."""

from collections.abc import Mapping
from typing import Any

import yaml

from mirrorplane.controlplane.playground.stage import Stage
from tests.e2e.feature_cases import APART, OURS
from tests.e2e.gateway_states import State, described
from tests.e2e.listener_set_states import STATES
from tests.e2e.manifests import QUIET, joined


def _placed(text: str, number: int) -> str:
    """The manifests in namespaces of their own."""
    renamed = {"default": f"s{number}", APART: f"s{number}-{APART}"}

    def moved(value: Any) -> Any:
        if isinstance(value, list):
            return [moved(item) for item in value]
        if isinstance(value, dict):
            return {k: renamed.get(v, v) if k == "namespace" else moved(v) for k, v in value.items()}
        return value

    objects = []
    for obj in yaml.safe_load_all(text):
        if obj["kind"] == "Namespace":
            obj["metadata"]["name"] = renamed[obj["metadata"]["name"]]
        elif obj["kind"] != "GatewayClass":
            obj["metadata"].setdefault("namespace", "default")
        objects.append(moved(obj))
    manifests: str = yaml.safe_dump_all(objects)
    return manifests


async def test_statuses_are_as_the_features_want_them(stage: Stage):
    states = list(STATES.items())
    stage.write("refused.yaml", joined(*(_placed(text, i) for i, (_, s) in enumerate(states) for text in s.refused)))
    await stage.apply(joined(QUIET, OURS, *(_placed(joined(*s.objects), i) for i, (_, s) in enumerate(states))))
    statuses = {
        (r.namespace, f"{r.kind.rpartition('/')[2]} {r.name}"): s for r, s in await stage.app.status_updater.statuses()
    }
    wrong = [
        f"{name}: {problem}"
        for i, (name, state) in enumerate(states)
        for problem in _problems(state, statuses, f"s{i}")
    ]
    assert not wrong, "\n".join(wrong)


def _problems(state: State, statuses: Mapping[tuple[str, str], Any], namespace: str) -> list[str]:
    problems = []
    for object_name, parts in state.found.items():
        status = statuses.get((namespace, object_name)) or statuses.get((f"{namespace}-{APART}", object_name))
        if status is None:
            problems.append(f"{object_name} has no status")
            continue
        actual = described(status)
        if parts.keys() - {""} and parts.keys() - {""} != actual.keys() - {""}:
            problems.append(f"{object_name} has {sorted(actual)}")
        problems += [
            f"{object_name} {part}: {key} is {actual.get(part, {}).get(key)}, not {value}"
            for part, expected in parts.items()
            for key, value in expected.items()
            if actual.get(part, {}).get(key) != value
        ]
    return problems
