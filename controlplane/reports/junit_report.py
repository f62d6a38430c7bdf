"""`check -o junit`: JUnit XML, which Jenkins, GitLab, Azure Pipelines and CircleCI show as test results.

The schema is that of the Jenkins xUnit plugin: a test suite for each file, a test case for each finding.
"""

from xml.sax.saxutils import escape, quoteattr

from mirrorplane.controlplane.findings.format import one_line
from mirrorplane.controlplane.query.objects import FindingRow
from mirrorplane.controlplane.reports.result import CheckResult, by_file, sentence

_NAME = "mirrorplane check"


def report(result: CheckResult) -> str:
    """Return a document. Without findings it has one test case, which passes: an empty report counts as a failure."""
    suites = [_suite(file or _NAME, rows, result) for file, rows in by_file(result.findings).items()]
    if not suites:
        case = f"<testcase classname={quoteattr(_NAME)} name={quoteattr(result.summary())}/>"
        suites = [f'<testsuite name={quoteattr(_NAME)} tests="1" failures="0">{case}</testsuite>']
    failures = sum(map(result.fails, result.findings))
    tests = len(result.findings) or 1
    head = f'<testsuites name={quoteattr(_NAME)} tests="{tests}" failures="{failures}">'
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', head, *suites, "</testsuites>"]) + "\n"


def _suite(file: str, rows: list[FindingRow], result: CheckResult) -> str:
    failures = sum(map(result.fails, rows))
    head = f'<testsuite name={_attribute(file)} tests="{len(rows)}" failures="{failures}">'
    return "\n".join([head, *(_case(row, file, result) for row in rows), "</testsuite>"])


def _case(row: FindingRow, file: str, result: CheckResult) -> str:
    place = f"{file}:{row.line}" if row.line else file
    name = " ".join(filter(None, (row.reason, row.object, row.path)))
    text = one_line(f"{place}: {sentence(row)}")
    body = (
        f"<failure type={_attribute(row.reason)} message={_attribute(sentence(row))}>{escape(text)}</failure>"
        if result.fails(row)
        else f"<system-out>{escape(f'{row.severity}: {text}')}</system-out>"
    )
    return f"  <testcase classname={_attribute(file)} name={_attribute(name)}>{body}</testcase>"


def _attribute(text: str) -> str:
    """Quote a text for an attribute. Control characters, which XML 1.0 does not allow, are escaped as in the log."""
    return quoteattr(one_line(text))
