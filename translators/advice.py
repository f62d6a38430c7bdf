"""Everything we have to say about one object: what lowering it found, and what the checks find in what it means."""

from functools import cache

import translators.checks
from api.finding import Finding
from api.meta import Ref
from api.view import View
from translators.contract import Check, discover


def findings(view: View, ref: Ref) -> tuple[Finding, ...]:
    """Return the findings about an object, in the order of the checks."""
    said = view.lowered(ref)
    advice = [f for check in _checks() for table in said.tables for f in check.table(view, table)]
    advice += [f for check in _checks() for gateway in said.gateways for f in check.gateway(view, gateway)]
    return (*said.findings, *advice)


@cache
def _checks() -> tuple[Check, ...]:
    return tuple(discover(translators.checks, "CHECK", Check).values())
