"""What the operating system says of changed files: owns that watching never ends because it fails.

Separate from the source because the library behind it may fail, lose events or not be told of any; what a lost event
costs is the source's matter, which also looks without one.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

TICK_S: Final = 1.0
"""How often the source has a turn although nothing happened."""
# watchfiles gathers events while another one comes within `step`, but for no longer than `debounce`.
_STEP_MS: Final = 20
_DEBOUNCE_MS: Final = 200


class Events(NamedTuple):
    """The absolute paths that changed, and those of them that vanished, for a moment or for good.

    `lost`: there may have been others before.
    """

    touched: frozenset[str] = frozenset()
    vanished: frozenset[str] = frozenset()
    lost: bool = False


NO_EVENTS: Final = Events()


async def file_events(paths: Sequence[str], stop: asyncio.Event) -> AsyncGenerator[Events, None]:
    """Yield what changed below paths, and no events every second. Ends when watching fails or `stop` is set.

    What happened before watching began has no event, so the first ones count as incomplete.
    """
    import watchfiles  # not above: commands that read manifests once watch nothing, and need not wait for its import

    lost = True
    try:
        if paths:
            async for changes in watchfiles.awatch(
                *paths,
                # The listing decides what counts: watchfiles' own filter skips folders by name (node_modules, .venv).
                watch_filter=None,
                debounce=_DEBOUNCE_MS,
                step=_STEP_MS,
                stop_event=stop,
                rust_timeout=int(TICK_S * 1000),
                yield_on_timeout=True,
                ignore_permission_denied=True,
            ):
                vanished = frozenset(path for change, path in changes if change is watchfiles.Change.deleted)
                yield Events(frozenset(path for _, path in changes), vanished, lost)
                lost = False
            return
    except (OSError, RuntimeError, UnicodeError, ExceptionGroup):
        pass  # a path vanished, no watches are left, or a name that is not UTF-8 (watchfiles decodes names strictly)
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), TICK_S)
    yield NO_EVENTS
