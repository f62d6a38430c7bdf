"""How much work is something? Counted in instructions of Python: the same on every machine, however busy it is."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class InstructionCount:
    """The instructions so far."""

    def __init__(self) -> None:
        self.instructions = 0


@contextmanager
def counted() -> Iterator[InstructionCount]:
    """Count the instructions of what is called within, other than those of C functions."""
    count = InstructionCount()

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count.instructions += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield count
    finally:
        sys.settrace(before)
