"""Whether there is a test for all that is said to be served of Gateway API at Gateways."""

import importlib

from mirrorplane.translators.gateway_api.gateway.features import SUPPORTED
from tests.e2e.gateway_api import test_features as of_http
from tests.e2e.gateway_api import test_features_grpc as of_calls
from tests.e2e.support import l4_features, listener_set_states
from tests.e2e.support.conformance_names import NOT_APPLICABLE, REQUIRED_FEATURES, TESTED_ELSEWHERE

TRIED = {
    *(name for name, feature in of_http.FEATURES.items() if feature.requests),
    *of_http.WEIGHTS,
    *of_http.MIRRORS,
    *l4_features.FEATURES,
    *of_calls.FEATURES,
    *listener_set_states.STATES,
}


def test_every_feature_that_is_claimed_is_tested():
    claimed = {name for name, features in REQUIRED_FEATURES.items() if features <= set(SUPPORTED)}
    tested = TRIED | TESTED_ELSEWHERE.keys()
    assert sorted(claimed - tested - NOT_APPLICABLE.keys()) == []
    assert set(SUPPORTED) <= {
        feature for name in claimed - NOT_APPLICABLE.keys() for feature in REQUIRED_FEATURES[name]
    }
    assert NOT_APPLICABLE.keys() <= REQUIRED_FEATURES.keys() - tested


def test_what_is_tried_is_what_gateway_api_names():
    plain_tcp = {"TCPRoute"}  # UDP's simplest test has a name, and that of TCP has none
    assert (TRIED | TESTED_ELSEWHERE.keys()) - REQUIRED_FEATURES.keys() == plain_tcp
    assert not TRIED & TESTED_ELSEWHERE.keys()
    for module, name in TESTED_ELSEWHERE.values():
        assert hasattr(importlib.import_module(f"tests.e2e.{module}"), name), name
