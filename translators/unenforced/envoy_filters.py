"""Patches of Envoy's configuration, of which some add filters that deny requests."""

import re
from collections.abc import Iterator
from typing import Any

from mirrorplane.translators.unenforced.policy_kind import WARNING, Effect, texts

_DENYING = ("ext_authz", "rbac", "jwt_authn", "oauth2", "basic_auth", "api_key_auth")
_LIMITING = ("ratelimit", "local_ratelimit")
_FILTER = re.compile(rf"(?:^|[./])({'|'.join((*_DENYING, *_LIMITING))})(?=[./]|$)")
"""As it is in the name of a filter (`envoy.filters.http.ext_authz`) and in the URL of its configuration's type."""


def patch_effects(path: str, patches: Any) -> Iterator[Effect]:
    """Yield what patches would do: an error for each filter among them that denies requests, else one warning."""
    filters = dict.fromkeys(name for text in texts(patches) for name in _FILTER.findall(text))
    for name in filters:
        if name in _DENYING:
            yield Effect(path, f"the filter {name} is not added, so requests that it denies are allowed")
        else:
            yield Effect(path, f"the filter {name} is not added, so requests above its limits are allowed", WARNING)
    if not filters:
        yield Effect(path, "its patches are not applied", WARNING)
