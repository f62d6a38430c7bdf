"""Which destination answers and what is copied must not depend on each other, and shares must stay what they were."""

from math import gcd
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirrorplane.api.resource import LISTENER
from mirrorplane.api.units import MILLION
from mirrorplane.translators.parts.weights import independent
from tests.builders import decoded, rendered

weights = st.lists(st.integers(0, 1_000_000), min_size=2, max_size=4).filter(any)
fractions = st.lists(st.integers(1, MILLION), max_size=3)


@given(weights, fractions)
def test_every_destination_is_copied_in_its_share(weights: list[int], fractions: list[int]):
    """Envoy: id goes where `id mod total` falls, and is copied when `id mod 1,000,000 < fraction`.

    By the Chinese remainder theorem the two are independent when the fraction is a multiple of their moduli's gcd.
    """
    total = sum(independent(weights, fractions))
    assert all(fraction % gcd(total, MILLION) == 0 for fraction in fractions)


@given(weights, fractions)
def test_no_share_moves_by_more_than_a_few_millionths_of_the_smallest_step(weights: list[int], fractions: list[int]):
    clusters, step = independent(weights, fractions), 1 / min(sum(weights) * 1000, 4_000_000)
    for before, after in zip(weights, clusters, strict=True):
        assert after / sum(clusters) == pytest.approx(before / sum(weights), abs=4 * step)
        assert (after == 0) == (before == 0)


@given(st.lists(st.integers(0, 1 << 40), min_size=2, max_size=4).filter(any), fractions)
def test_envoy_can_count_the_sum_and_no_destination_is_lost(weights: list[int], fractions: list[int]):
    clusters = independent(weights, fractions)
    assert sum(clusters) < 1 << 32
    assert [w == 0 for w in clusters] == [w == 0 for w in weights]


def test_weights_that_do_no_harm_are_left_alone():
    assert independent([10, 90], [100_000]) == [10, 90]
    assert independent([1, 2], [123]) == [1, 2]
    assert independent([100_000, 900_000], []) == [100_000, 900_000]


def test_weights_that_would_decide_what_is_copied_are_refined():
    assert independent([100_000, 900_000], [100_000]) == [100_000_000, 900_000_001]
    assert independent([10, 90], [125]) == [10_000, 90_001]


@pytest.mark.parametrize(
    ("weights", "percent"), [([10, 90], 10), ([100_000, 900_000], 10), ([1, 999], 0.1), ([7, 3], 33)]
)
def test_counted_over_random_ids_the_copies_are_in_proportion(weights: list[int], percent: float):
    fraction = int(percent * 10_000)
    clusters = independent(weights, [fraction])
    total, initial = sum(clusters), clusters[0]
    draw = Random(7)
    drawn = (draw.getrandbits(64) for _ in range(2_000_000))
    copied = [i for i in drawn if i % MILLION < fraction]
    share = sum(i % total < initial for i in copied) / len(copied)
    assert share == pytest.approx(weights[0] / sum(weights), abs=4 * (share * (1 - share) / len(copied)) ** 0.5 + 1e-9)


@pytest.mark.parametrize("weight", [2**31, 2**32, 10**30])
async def test_connections_are_shared_by_weights_of_any_size(weight: int):
    text = f"""
apiVersion: v1
kind: Service
metadata: {{name: a}}
spec: {{ports: [{{name: tcp, port: 90}}]}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: a}}
spec:
  hosts: [a]
  tcp: [{{route: [{{destination: {{host: a}}, weight: {weight}}}, {{destination: {{host: a}}, weight: {weight}}}]}}]
"""
    (listener,) = [entry for name, entry in decoded(await rendered(text), LISTENER).items() if name.endswith("_90")]
    clusters = listener["filter_chains"][0]["filters"][0]["typed_config"]["weighted_clusters"]["clusters"]
    item, second = (target["weight"] for target in clusters)
    assert item == second
    assert item + second < 2**32
