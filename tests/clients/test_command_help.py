"""What all commands have in common: their help, and options that are given twice."""

import re

import pytest

from atelier._cli.root import command_line, run


@pytest.mark.parametrize("command", [[], ["stylize"], ["bulk"], ["bulk", "stylize"], ["train"]])
def test_h_is_help(capsys, command):
    assert run([*command, "--help"]) == 0
    shown = capsys.readouterr().out
    assert run([*command, "-h"]) == 0
    assert capsys.readouterr().out == shown != ""


@pytest.mark.parametrize("columns", ["60", "80", "100"])
@pytest.mark.parametrize("group", [[], ["bulk"]])
def test_a_list_of_commands_has_whole_sentences(capsys, monkeypatch, group, columns):
    monkeypatch.setenv("COLUMNS", columns)
    assert run([*group, "--help"]) == 0
    _, _, commands = capsys.readouterr().out.partition("Commands:")
    shown = " ".join(commands.split())
    assert re.search(r"[a-z]\.\.\.", shown) is None
    sentence = {
        (): "demo Repaint four photographs in every style, in a mix, and with their own colours.",
        ("bulk",): "reconstruct Encode the images of IN and decode them again, as PNG, into OUT.",
    }[tuple(group)]
    assert sentence in shown


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (["stylize", "a.jpg", "--style", "x", "--quality", "1", "--quality", "1"], "--quality"),
        (["vary", "a.jpg", "--seed=1", "--seed=2"], "--seed"),
        (["bulk", "reconstruct", "a", "b", "--wait", "1", "--wait", "2"], "--wait"),
        (["loadtest", "stylize", "--rate", "1", "--rate", "2"], "--rate"),
    ],
)
def test_an_option_given_twice_is_refused(capsys, arguments, option):
    assert run(arguments) == 2
    assert f"'{option}' is there 2 times; give it once" in capsys.readouterr().err


def test_every_command_refuses_an_option_given_twice(server, capsys):
    for name, command in command_line.commands.items():
        if name not in ("bulk", "loadtest", "models"):
            assert run([name, "--url", server.url, "--url", server.url]) == 2, command
            assert "'--url' is there 2 times" in capsys.readouterr().err
    assert not server.requests
