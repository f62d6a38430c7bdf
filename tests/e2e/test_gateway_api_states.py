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
    ours = {"default": f"s{number}", APART: f"s{number}-{APART}"}

    def moved(value: Any) -> Any:
        if isinstance(value, list):
            return [moved(one) for one in value]
        if isinstance(value, dict):
            return {k: ours.get(v, v) if k == "namespace" else moved(v) for k, v in value.items()}
        return value

    found = []
    for said in yaml.safe_load_all(text):
        if said["kind"] == "Namespace":
            said["metadata"]["name"] = ours[said["metadata"]["name"]]
        elif said["kind"] != "GatewayClass":
            said["metadata"].setdefault("namespace", "default")
        found.append(moved(said))
    manifests: str = yaml.safe_dump_all(found)
    return manifests


async def test_statuses_are_as_the_features_want_them(stage: Stage):
    each = list(STATES.items())
    stage.write("refused.yaml", joined(*(_placed(text, i) for i, (_, s) in enumerate(each) for text in s.refused)))
    await stage.apply(joined(QUIET, OURS, *(_placed(joined(*s.objects), i) for i, (_, s) in enumerate(each))))
    said = {
        (r.namespace, f"{r.kind.rpartition('/')[2]} {r.name}"): s for r, s in await stage.app.status_updater.statuses()
    }
    wrong = [
        f"{name}: {problem}" for i, (name, state) in enumerate(each) for problem in _problems(state, said, f"s{i}")
    ]
    assert not wrong, "\n".join(wrong)


def _problems(state: State, said: Mapping[tuple[str, str], Any], namespace: str) -> list[str]:
    found = []
    for about, parts in state.found.items():
        status = said.get((namespace, about)) or said.get((f"{namespace}-{APART}", about))
        if status is None:
            found.append(f"{about} has no status")
            continue
        seen = described(status)
        if parts.keys() - {""} and parts.keys() - {""} != seen.keys() - {""}:
            found.append(f"{about} has {sorted(seen)}")
        found += [
            f"{about} {part}: {key} is {seen.get(part, {}).get(key)}, not {value}"
            for part, wanted in parts.items()
            for key, value in wanted.items()
            if seen.get(part, {}).get(key) != value
        ]
    return found
