"""Statuses as people read them: objects as kubectl prints them, tables, and a line for what is not as it should be."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from mirrorplane.api.meta import AnyObject
from mirrorplane.controlplane.engine.catalogue import catalogue
from mirrorplane.controlplane.findings.format import one_line
from mirrorplane.controlplane.status.conditions import Plain

Row = Mapping[str, Any]
_GOOD = {"Conflicted": "False", "OverlappingTLSConfig": "False", "PartiallyInvalid": "False"}
_GOOD["InsecureFrontendValidationMode"] = "False"
"""Conditions that are well when they are false; all others when they are true."""
_LISTS = {"listeners": "listener", "parents": "parent", "ancestors": "ancestor"}


def status_row(obj: AnyObject, status: Plain) -> Row:
    """Return an object with its status and without its spec."""
    kind = next(kind for kind in catalogue().kinds if kind.key == obj.ref.kind)
    metadata: dict[str, Any] = {"name": obj.ref.name, "namespace": obj.ref.namespace, "generation": obj.generation}
    return {
        "apiVersion": f"{kind.group}/{kind.versions[0]}",
        "kind": kind.name,
        "metadata": {name: value for name, value in metadata.items() if value},
        "status": status,
    }


def tables(rows: Iterable[Row]) -> Iterator[tuple[str, list[tuple[str, ...]]]]:
    """Yield a table for each kind: its name, and its lines, the first of them the titles."""
    by_kind: dict[str, list[Row]] = {}
    for row in rows:
        by_kind.setdefault(row["kind"], []).append(row)
    for kind, found in by_kind.items():
        seen = dict.fromkeys(c["type"] for row in found for c in _conditions(row["status"]))
        types = [name for name in seen if name not in _GOOD]
        titles = ("NAMESPACE", "NAME", *_titles(found), *(name.upper() for name in types))
        yield kind, [titles, *(_cells(row, titles, types) for row in found)]


def troubles(rows: Iterable[Row]) -> Iterator[str]:
    """Yield a line for each thing that is not as it should be: all conditions of a part that say the same.

    What is said of the whole is not said of its parts again.
    """
    for row in rows:
        name = "/".join(filter(None, (row["metadata"].get("namespace"), row["metadata"]["name"])))
        said: dict[tuple[str, str], list[str]] = {}
        for where, condition in _placed(row["status"]):
            if condition["status"] != _GOOD.get(condition["type"], "True") and ("", condition["message"]) not in said:
                word = f"{condition['type']}={condition['status']} ({condition['reason']})"
                said.setdefault((where, condition["message"]), []).append(word)
        for (where, message), words in said.items():
            yield one_line(f"{row['kind']} {name}{where}: {', '.join(words)}{': ' if message else ''}{message}")


def _titles(rows: Iterable[Row]) -> tuple[str, ...]:
    known = {name for row in rows for name in row["status"]}
    return (*(("ADDRESSES",) if "addresses" in known else ()), *(("ROUTES",) if "listeners" in known else ()))


def _cells(row: Row, titles: Sequence[str], types: Sequence[str]) -> tuple[str, ...]:
    status, metadata = row["status"], row["metadata"]
    facts = {
        "ADDRESSES": ",".join(one["value"] for one in status.get("addresses", ())),
        "ROUTES": str(sum(one.get("attachedRoutes", 0) for one in status.get("listeners", ()))),
    }
    cells = [facts[title] for title in titles if title in facts]
    return (metadata.get("namespace", ""), metadata["name"], *cells, *(_summed(status, name) for name in types))


def _summed(status: Plain, kind: str) -> str:
    """Return what a condition is: the object's own, else that of all of its entries."""
    own = [c["status"] for c in status.get("conditions", ()) if c["type"] == kind]
    found = own or [c["status"] for c in _conditions(status) if c["type"] == kind]
    alike = set(found)
    return alike.pop() if len(alike) == 1 else f"{found.count('True')}/{len(found)}" if found else ""


def _conditions(status: Plain) -> list[Plain]:
    return [condition for _, condition in _placed(status)]


def _placed(status: Plain) -> Iterator[tuple[str, Plain]]:
    """Yield every condition with the entry that it stands in, in words."""
    yield from (("", condition) for condition in status.get("conditions", ()))
    for name, word in _LISTS.items():
        for entry in status.get(name, ()):
            place = f", {word} {_entry(entry)}"
            yield from ((place, condition) for condition in entry["conditions"])


def _entry(entry: Plain) -> str:
    ref = entry.get("parentRef") or entry.get("ancestorRef") or entry
    return "/".join(filter(None, (ref["name"], ref.get("sectionName"), str(ref.get("port") or ""))))
