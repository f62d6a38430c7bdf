"""The one mutable world. One writer; readers get frozen Snapshots."""

from collections import defaultdict
from collections.abc import Callable, Iterable

from mirrorplane.api.meta import AnyObject, Ref
from mirrorplane.api.snapshot import BY, GET, ReadKey, Snapshot
from mirrorplane.controlplane.engine.persistent_map import PersistentMap
from mirrorplane.translators.contract import Input

Bucket = tuple[str, str]
"""An index and a key in it."""


class Store:
    """All objects and the index buckets over them.

    Applying costs O(buckets of the object). Freezing costs what was applied since, and sorts only buckets with new
    members.
    """

    def __init__(self, inputs: Iterable[Input], checkpoint: Callable[[], None] = lambda: None) -> None:
        self._inputs = {kind.key: i for i in inputs for kind in i.kinds}
        self._objects = PersistentMap[Ref, AnyObject]()
        self._members: defaultdict[Bucket, dict[Ref, AnyObject]] = defaultdict(dict)
        self._unsorted: set[Bucket] = set()
        self._buckets = PersistentMap[Bucket, tuple[AnyObject, ...]]()
        self._touched: set[Bucket] = set()
        self._changed: set[ReadKey] = set()
        self._version = 0
        self._checkpoint = checkpoint
        self._changed_at: dict[Ref, int] = {}

    def apply(self, ref: Ref, obj: AnyObject | None) -> bool:
        """Put an object, or remove it with None. Returns whether that changed anything; ignores kinds without Input."""
        old = self._objects.get(ref)
        if old == obj or ref.kind not in self._inputs:
            return False
        before, after = self._buckets_of(old), self._buckets_of(obj)
        for bucket in before - after:
            del self._members[bucket][ref]
        if obj is None:
            self._objects.drop(ref)
            self._changed_at.pop(ref, None)
        else:
            self._objects.put(ref, obj)
            self._changed_at[ref] = self._version + 1
            for bucket in after:
                self._members[bucket][ref] = obj
            self._unsorted |= after - before  # a member that is only replaced keeps its place in the order
        self._changed.add((GET, ref))
        self._changed.update((BY, *bucket) for bucket in before | after)
        self._touched |= before | after
        return True

    def changed_at(self, ref: Ref) -> int:
        """Return the version of the first Snapshot with an object as it is now; 0 when it does not exist."""
        return self._changed_at.get(ref, 0)

    def freeze(self) -> Snapshot:
        """Return the world as it is now, with what changed since the last call.

        It may pause at checkpoints; nothing may be applied until it returns.
        """
        self._version += 1
        for bucket in self._touched:
            self._checkpoint()
            members = self._members[bucket]
            if bucket in self._unsorted and len(members) > 1:
                # By Ref, so that what is built from an index is the same on every replica and after a restart.
                members = self._members[bucket] = {ref: members[ref] for ref in sorted(members)}
            if members:
                self._buckets.put(bucket, tuple(members.values()))
            else:
                del self._members[bucket]
                self._buckets.drop(bucket)
        changed = frozenset(self._changed)
        self._changed, self._touched, self._unsorted = set(), set(), set()
        return Snapshot(self._version, self._objects.freeze(), self._buckets.freeze(), changed)

    def _buckets_of(self, obj: AnyObject | None) -> set[Bucket]:
        if obj is None:
            return set()
        indexes = self._inputs[obj.ref.kind].indexes
        return {(name, key) for name, keys_of in indexes.items() for key in keys_of(obj)}
