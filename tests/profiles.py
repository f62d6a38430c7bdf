"""How random tests draw: the same every time in `make test`, anew and deeper in `make fuzz`.

A change lands by what it does, not by luck, so the profile `test` derives its draws from the test's name and code. What
`fuzz` finds becomes an `@example` or a test of its own. `pytest --hypothesis-profile fuzz` chooses the profile.
"""

import os
import random

from hypothesis import HealthCheck, settings

TEST, FUZZ = "test", "fuzz"
FIXED_SEED = 20261120
MOST_EXAMPLES = "MIRRORPLANE_FUZZ_EXAMPLES"
SEED_VARIABLE = "MIRRORPLANE_TEST_SEED"
"""Repeats a random test that draws from a seed of its own."""


def load_profiles() -> None:
    """Register both profiles, and choose the repeatable one. Hypothesis's own option comes later, and wins."""
    common = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
    settings.register_profile(TEST, common, max_examples=30, derandomize=True)
    settings.register_profile(FUZZ, common, max_examples=int(os.environ.get(MOST_EXAMPLES, "300")))
    settings.load_profile(TEST)


def examples(share: float = 1.0) -> int:
    """Return the number of examples or random worlds of a test, as a share of the profile's."""
    return max(1, round(share * settings.default.max_examples))


def seed_of_run() -> int:
    """Return the seed of tests that draw without Hypothesis: fixed in `make test`, new for each test in `make fuzz`."""
    default_seed = FIXED_SEED if settings.default.derandomize else random.SystemRandom().randrange(1 << 32)
    return int(os.environ.get(SEED_VARIABLE, default_seed))
