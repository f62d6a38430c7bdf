"""The log of findings: what appears, what is resolved, and who copies whose requests."""

import logging

import msgspec
import pytest

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.meta import Ref
from mirrorplane.controlplane.engine.executor import CooperativeExecutor
from mirrorplane.controlplane.findings.log import FindingLog

COPIES = Finding(Ref("x/VirtualService", "evil", "copies"), "CrossNamespaceMirror", "evil copies", "", Severity.WARNING)
MANY = tuple(Finding(Ref("x/VirtualService", "default", f"a{i}"), "HostNotFound", "gone") for i in range(200))


async def test_copies_of_another_namespaces_requests_have_an_audit_line_however_much_else_is_logged(
    caplog: pytest.LogCaptureFixture,
):
    caplog.set_level(logging.INFO)
    log = FindingLog(CooperativeExecutor(1.0))
    await log.update((*MANY, COPIES))
    await log.update(())
    audit = [record.getMessage() for record in caplog.records if record.name == "mirrorplane.audit"]
    line = "warning CrossNamespaceMirror, VirtualService evil/copies: evil copies"
    assert audit == [f"audit: {line}", f"audit: resolved: {line}"]
    assert sum(line in record.getMessage() for record in caplog.records) == 2, "it is not logged twice"


async def test_errors_are_logged_before_warnings_of_which_some_are_cut_off(caplog: pytest.LogCaptureFixture):
    denied = Finding(Ref("x/AuthorizationPolicy", "z", "last"), "NotEnforced", "not enforced")
    warnings = (msgspec.structs.replace(finding, severity=Severity.WARNING) for finding in MANY)
    await FindingLog(CooperativeExecutor(1.0)).update((*warnings, denied))
    assert "NotEnforced" in caplog.messages[0]
    assert caplog.messages[-1].startswith("and 101 more")
