"""Statuses for people: a table for each kind, one of mirrors, a line for each condition that is not as it should be."""

from collections.abc import Iterable, Iterator, Sequence

from mirrorplane.api.status import UNKNOWN
from mirrorplane.controlplane.findings.format import one_line
from mirrorplane.controlplane.query.objects import StatusRow
from mirrorplane.controlplane.status.conditions import Plain

_EXPECTED = dict.fromkeys(
    ("Conflicted", "InsecureFrontendValidationMode", "OverlappingTLSConfig", "PartiallyInvalid"), "False"
)
"""Conditions that report a problem when they are true. All others are expected to be true."""
Table = tuple[str, list[tuple[str, ...]]]
"""A title, and lines of cells, the titles of the columns first."""
MIRROR_TITLES = ("NAMESPACE", "ROUTE", "FIELD", "TARGET", "SAMPLE", "STATE")
_LISTS = {"listeners": "listener", "parents": "parent", "ancestors": "ancestor"}


def status_tables(rows: Iterable[StatusRow], *, wide: bool = False) -> Iterator[Table]:
    """Yield a table for each kind: its name, and its lines, the titles first. Wide ones have the generation, too."""
    by_kind: dict[tuple[str, str], list[StatusRow]] = {}
    for row in rows:
        by_kind.setdefault((row.kind, _group(row)), []).append(row)
    kinds = [kind for kind, _ in by_kind]
    for (kind, group), rows_of_kind in by_kind.items():
        types = dict.fromkeys(c["type"] for row in rows_of_kind for c in _conditions(row.status))
        columns = [name for name in types if name not in _EXPECTED]
        optional = (*(("GENERATION",) if wide else ()), *_optional_titles(rows_of_kind))
        titles = ("NAMESPACE", "NAME", *optional, *(_title(name) for name in columns))
        title = f"{kind} ({group})" if kinds.count(kind) > 1 else kind
        yield title, [titles, *(_cells(row, titles, columns) for row in rows_of_kind)]
    mirrors = [line for row in by_kind.values() for object_row in row for line in _mirror_cells(object_row)]
    if mirrors:
        yield "Mirror", [MIRROR_TITLES, *mirrors]


def is_ready(row: StatusRow) -> bool:
    """Tell whether an object is served as written: all its conditions are known, and as they should be.

    Those of our own domain do not count: `mirrorplane.io/Enforced` of a policy never becomes true.
    """
    conditions = (condition for condition in _conditions(row.status) if "/" not in condition["type"])
    return all(condition["status"] == _EXPECTED.get(condition["type"], "True") for condition in conditions)


def resource_name(row: StatusRow) -> str:
    """Return an object's name as `kubectl get -o name` prints it: `virtualservice.networking.istio.io/web`."""
    return f"{row.kind.lower()}.{_group(row)}/{row.metadata.name}"


def status_problems(rows: Iterable[StatusRow]) -> Iterator[str]:
    """Yield a line for each problem: the conditions of one entry that share a message are one line.

    Messages of the object itself are not repeated for its entries. What is unknown is no problem.
    """
    for row in rows:
        name = "/".join(filter(None, (row.metadata.namespace, row.metadata.name)))
        problems: dict[tuple[str, str], list[str]] = {}
        for entry, condition in _conditions_by_entry(row.status):
            message = condition["message"]
            unexpected = condition["status"] not in {_EXPECTED.get(condition["type"], "True"), UNKNOWN}
            if unexpected and ("", message) not in problems:
                words = f"{condition['type']}={condition['status']} ({condition['reason']})"
                problems.setdefault((entry, message), []).append(words)
        for (entry, message), conditions in problems.items():
            yield one_line(f"{row.kind} {name}{entry}: {', '.join(conditions)}{': ' if message else ''}{message}")


def _title(condition_type: str) -> str:
    """Return the title of a column: `ENFORCED` of `mirrorplane.io/Enforced`."""
    return condition_type.rpartition("/")[2].upper()


def _group(row: StatusRow) -> str:
    return row.api_version.rpartition("/")[0]


def _mirror_cells(row: StatusRow) -> Iterator[tuple[str, ...]]:
    for mirror in row.mirrors:
        cells = (
            row.metadata.namespace,
            f"{row.kind}/{row.metadata.name}",
            mirror.path,
            mirror.target or "-",
            f"{mirror.percent:.7g} %" if mirror.target else "-",
            mirror.state,
        )
        yield tuple(map(one_line, cells))


def _optional_titles(rows: Iterable[StatusRow]) -> tuple[str, ...]:
    fields = {name for row in rows for name in row.status}
    return (*(("ADDRESSES",) if "addresses" in fields else ()), *(("ROUTES",) if "listeners" in fields else ()))


def _cells(row: StatusRow, titles: Sequence[str], types: Sequence[str]) -> tuple[str, ...]:
    status = row.status
    optional = {
        "GENERATION": str(row.metadata.generation or ""),
        "ADDRESSES": ",".join(address["value"] for address in status.get("addresses", ())),
        "ROUTES": str(sum(listener.get("attachedRoutes", 0) for listener in status.get("listeners", ()))),
    }
    cells = [optional[title] for title in titles if title in optional]
    return (row.metadata.namespace, row.metadata.name, *cells, *(_summary(status, name) for name in types))


def _summary(status: Plain, type_name: str) -> str:
    """Return a condition's status: the object's own, else its entries' common one, else how many are true: `1/2`."""
    object_values = [c["status"] for c in status.get("conditions", ()) if c["type"] == type_name]
    values = object_values or [c["status"] for c in _conditions(status) if c["type"] == type_name]
    if len(set(values)) == 1:
        return str(values[0])
    return f"{values.count('True')}/{len(values)}" if values else ""


def _conditions(status: Plain) -> list[Plain]:
    return [condition for _, condition in _conditions_by_entry(status)]


def _conditions_by_entry(status: Plain) -> Iterator[tuple[str, Plain]]:
    """Yield every condition with the entry that holds it: `, listener http`; empty for the object's own."""
    yield from (("", condition) for condition in status.get("conditions", ()))
    for name, word in _LISTS.items():
        for entry in status.get(name, ()):
            yield from ((f", {word} {_entry_name(entry)}", condition) for condition in entry["conditions"])


def _entry_name(entry: Plain) -> str:
    ref = entry.get("parentRef") or entry.get("ancestorRef") or entry
    return "/".join(filter(None, (ref["name"], ref.get("sectionName"), str(ref.get("port") or ""))))
