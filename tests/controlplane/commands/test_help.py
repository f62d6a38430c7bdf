"""`--help` as a reader meets it: nothing is cut off, every command has an example, every flag is explained."""

import re

import click
import pytest
from click.testing import CliRunner

from mirrorplane.controlplane.cli import cli

CONTEXT = click.Context(cli)
COMMANDS = {name: cli.get_command(CONTEXT, name) for name in cli.list_commands(CONTEXT)}


def help_of(*args: str, columns: int = 80) -> str:
    result = CliRunner(env={"COLUMNS": str(columns)}).invoke(cli, [*args, "--help"], terminal_width=columns)
    assert result.exit_code == 0
    return result.stdout


@pytest.mark.parametrize("columns", [60, 80, 100])
def test_no_line_of_the_overview_is_cut_off(columns: int):
    text = " ".join(help_of(columns=columns).split())
    assert "..." not in text.replace("[ARGS]...", "")
    for name, command in COMMANDS.items():
        assert command is not None
        assert command.short_help
        assert f"{name} {command.short_help}" in text


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_examples_that_can_be_copied(name: str):
    examples = help_of(name).partition("Examples:")[2]
    lines = [line.strip() for line in examples.splitlines() if line.strip()]
    assert lines
    for line in lines:
        [call] = re.findall(rf"\bmirrorplane {name}\b[^|>)]*", line)
        options = {word.partition("=")[0] for word in call.split() if re.match(r"--?[a-zA-Z]", word)}
        command = COMMANDS[name]
        assert command is not None
        known = {opt for param in command.params if isinstance(param, click.Option) for opt in param.opts}
        assert options <= known, line


@pytest.mark.parametrize("name", [None, *COMMANDS])
def test_each_option_has_a_help_text_and_a_telling_metavar(name: str | None):
    command = COMMANDS[name] if name else cli
    assert command is not None
    for param in command.params:
        if isinstance(param, click.Option):
            assert param.help, param.opts
            assert param.is_flag or param.metavar not in {None, "TEXT"} or isinstance(param.type, click.Choice), (
                param.opts
            )


@pytest.mark.parametrize(
    ("commands", "flag"),
    [
        (["check", "explain", "render", "serve", "status"], "-f"),
        (["check", "status", "proxies"], "-n"),
        (["check", "status", "proxies"], "-A"),
        (["check", "explain", "render", "status", "proxies", "bootstrap"], "-o"),
        (["status", "proxies"], "-w"),
        (["status", "proxies"], "--admin-address"),
    ],
)
def test_a_flag_means_the_same_everywhere(commands: list[str], flag: str):
    helps = set()
    for name in commands:
        command = COMMANDS[name]
        assert command is not None
        [option] = [p for p in command.params if isinstance(p, click.Option) and flag in p.opts]
        helps.add((option.name, option.help))
    assert len(helps) == 1


def test_the_environment_is_documented():
    text = help_of("status")
    assert "MIRRORPLANE_ADMIN]" in "".join(text.split()).replace(";default:127.0.0.1:15014", "")
    assert "MIRRORPLANE_ADMIN_TOKEN_FILE" in text


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script_for_the_shell(shell: str):
    result = CliRunner().invoke(cli, ["completion", shell])
    assert result.exit_code == 0
    assert f"_MIRRORPLANE_COMPLETE={shell}_complete" in result.stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("status virtuals", ["virtualservice"]),
        ("status gatewayc", ["gatewayclass"]),
        ("explain --admin-address 127.0.0.1:1 --proxy sl", ["sl"]),
        ("proxies --admin-address nowhere x", ["x"]),
        ("check --fail-on w", ["warning"]),
        ("compl", ["completion"]),
    ],
)
def test_completion_knows_types_and_choices_and_reports_no_errors(words: str, expected: list[str]):
    line = f"mirrorplane {words}"
    environment = {
        "_MIRRORPLANE_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split()) - 1),
    }
    result = CliRunner(env=environment).invoke(cli, prog_name="mirrorplane")
    assert [item.partition(",")[2] for item in result.stdout.splitlines()] == expected
    assert result.stderr == ""


def test_completion_knows_commands_and_options():
    environment = {
        "_MIRRORPLANE_COMPLETE": "bash_complete",
        "COMP_WORDS": "mirrorplane check --fail",
        "COMP_CWORD": "2",
    }
    result = CliRunner(env=environment).invoke(cli, prog_name="mirrorplane")
    assert result.stdout.split(",")[-1].strip() == "--fail-on"
