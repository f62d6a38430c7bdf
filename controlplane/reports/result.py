"""The answer of `mirrorplane check`, in whatever format it is reported."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from mirrorplane.controlplane.query.objects import FindingRow

ERROR, WARNING = "error", "warning"


class CheckResult(msgspec.Struct, frozen=True):
    """What was read, and the findings about it. `fails_on` is the severity from which the answer is no.

    `ignored` counts the manifests of kinds that are not supported. `suppressed` counts findings that were asked to be
    left out.
    """

    objects: int
    findings: Sequence[FindingRow]
    ignored: Mapping[str, int] = {}
    suppressed: int = 0
    fails_on: str = ERROR

    def count(self, severity: str) -> int:
        """Return how many findings have a severity."""
        return sum(row.severity == severity for row in self.findings)

    def fails(self, row: FindingRow) -> bool:
        """Tell whether a finding alone makes the answer no."""
        return row.severity == ERROR or self.fails_on == WARNING

    @property
    def failed(self) -> bool:
        """Whether the answer is no."""
        return any(map(self.fails, self.findings))

    def summary(self) -> str:
        """Return the numbers in one line."""
        numbers = [(self.objects, "object"), (self.count(ERROR), ERROR), (self.count(WARNING), WARNING)]
        words = [f"{number} {noun}{'' if number == 1 else 's'}" for number, noun in numbers]
        return ", ".join([*words, *([f"{self.suppressed} suppressed"] if self.suppressed else [])])


def by_file(rows: Iterable[FindingRow]) -> dict[str, list[FindingRow]]:
    """Return findings by file, in their order."""
    groups: dict[str, list[FindingRow]] = {}
    for row in rows:
        groups.setdefault(row.file, []).append(row)
    return groups


def sentence(row: FindingRow) -> str:
    """Return what a finding says, without its place and code: `Gateway shop/web, spec.servers: sentence (fix)`."""
    about = ", ".join(filter(None, (row.object, row.path)))
    return f"{about}: {row.message}{f' ({row.fix})' if row.fix else ''}" if about else row.message
