"""The lines of an explanation keep up with the model: what limits a copy is never left out."""

import msgspec

from mirrorplane.api.mirrors import Guards
from mirrorplane.controlplane.query.explanation_format import guards_text


def test_every_guard_is_named():
    unchanged = guards_text(Guards())
    for name in Guards.__struct_fields__:
        assert guards_text(msgspec.structs.replace(Guards(), **{name: 12_345})) != unchanged, name
