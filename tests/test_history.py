"""Every commit says in its message what it changes and why, as CONTRIBUTING asks."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SINCE = datetime(2026, 11, 30, 18, tzinfo=UTC)
"""The rule holds for commits that were written after this moment. Hashes would change when history is rewritten."""
LONGEST_SUBJECT = 72


def commits() -> list[tuple[str, str, str]]:
    """Return hash, subject and body of the commits of this branch that were written under the rule, without merges."""
    command = ["git", "log", "--no-merges", "--format=%h%x1f%aI%x1f%s%x1f%b%x1e"]
    try:
        completed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return []
    records = [record.strip("\n").split("\x1f") for record in completed.stdout.split("\x1e")[:-1]]
    return [
        (commit, subject, body.strip())
        for commit, date, subject, body in records
        if datetime.fromisoformat(date) > SINCE
    ]


def problem(subject: str, body: str) -> str:
    if len(subject) > LONGEST_SUBJECT:
        return f"the subject has {len(subject)} characters, more than {LONGEST_SUBJECT}"
    if subject.endswith("."):
        return "the subject ends in a period"
    return "" if body else "the message has no body that says why"


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this is no checkout")
def test_commits_have_a_short_subject_and_a_body():
    history = commits()
    if not history:
        pytest.skip("the history of this checkout has no commit under the rule")
    assert [f"{commit} {subject}: {p}" for commit, subject, body in history if (p := problem(subject, body))] == []


@pytest.mark.parametrize(
    ("subject", "body", "expected"),
    [
        ("Name it", "Because it had no name.", ""),
        ("Name it.", "Because it had no name.", "the subject ends in a period"),
        ("N" * 73, "Because it had no name.", "the subject has 73 characters, more than 72"),
        ("Name it", "", "the message has no body that says why"),
    ],
)
def test_a_message_that_breaks_the_rule_is_found(subject: str, body: str, expected: str):
    assert problem(subject, body) == expected
