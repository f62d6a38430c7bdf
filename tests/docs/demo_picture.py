"""Make docs/images/demo.svg from a real run of `mirrorplane demo`: `python -m tests.docs.demo_picture`."""

import io
import re
import sys

from rich.console import Console
from rich.terminal_theme import MONOKAI

from mirrorplane.controlplane.playground import demo
from tests.docs.pages import ROOT

PICTURE = ROOT / "docs" / "images" / "demo.svg"
WIDTH = 112
_OF_AN_ACCESS_LOG = re.compile(r'127\.0\.0\.1 - - \[[^]]*\] ("[^"]*" \d+) \d+ "-" "[^"]*"')

_FONT_FROM_THE_NETWORK = re.compile(r"\s*@font-face \{[^}]*\}")


class Recorder(Console):
    """A console that remembers what is printed, without the parts of access logs that a picture has no room for."""

    def __init__(self, **options: bool) -> None:
        super().__init__(**options, record=True, width=WIDTH, file=io.StringIO(), color_system="truecolor")

    def print(self, *objects, **options) -> None:
        super().print(
            *(_OF_AN_ACCESS_LOG.sub(r"\1", item) if isinstance(item, str) else item for item in objects), **options
        )


def main() -> int:
    recorded: list[Recorder] = []

    def recorder(**options: bool) -> Recorder:
        recorded.append(Recorder(**options))
        return recorded[-1]

    demo.Console = recorder
    exit_code = demo.play(keep=False)
    PICTURE.parent.mkdir(exist_ok=True)
    picture = recorded[0].export_svg(title="mirrorplane demo", theme=MONOKAI, unique_id="demo")
    PICTURE.write_text(_FONT_FROM_THE_NETWORK.sub("", picture))
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
