from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import click
import pytest
from click.testing import CliRunner

from atelier_export.commands.options import settings_command
from atelier_export.settings import Settings, setting


@dataclass(frozen=True)
class Inner(Settings):
    weight: float = setting(1.0, "A weight.", minimum=0, maximum=2, open_maximum=True)


@dataclass(frozen=True)
class Outer(Settings):
    source: Path = setting(help="What is read.", path="file", positional=True)
    output: Path = setting(help="What is written.", path="new_file", short="-o", metavar="OUT")
    side: int = setting(32, "A side.", minimum=16, multiple_of=8)
    kind: Literal["one", "two"] = setting("one", "A kind.")
    shape: str = setting("round", "A shape.", allowed=("round", "flat"))
    names: tuple[str, ...] = setting((), "Names.", allowed=("a", "b", "c"))
    starts: tuple[str, ...] = setting(("a", "b"), "Names with a default.")
    version: int | None = setting(None, "A version.", minimum=1)
    plot: bool = setting(False, "Draw.")
    inner: Inner = field(default_factory=Inner)


@dataclass(frozen=True)
class Other(Settings):
    side: int = setting(1, "A side too.")


def command() -> tuple[click.Command, list[Outer]]:
    calls: list[Outer] = []

    def work(settings: Outer) -> str:
        """Do the work.

        All of it.

        Args:
            settings: Not for users.
        """
        calls.append(settings)
        return "done"

    return settings_command("work", work), calls


def run(*arguments: object):
    made, calls = command()
    result = CliRunner().invoke(made, list(map(str, arguments)))
    return result, calls[0] if calls else None


def test_defaults_come_from_the_fields():
    result, settings = run(__file__, "-o", "new.json")
    assert result.output == "done\n"
    assert settings == Outer(Path(__file__), Path("new.json"))


def test_every_field_is_an_option():
    result, settings = run(
        __file__, "--output", "new.json", "--side", 64, "--kind", "two", "--shape", "flat",
        "--names", "c,a,c", "--starts", "c", "--version", 3, "--plot", "--weight", 0.5,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert settings == Outer(
        Path(__file__), Path("new.json"), 64, "two", "flat", ("c", "a"), ("c",), 3, True, Inner(0.5)
    )


def test_the_help_is_the_docstring_and_the_fields():
    help_text = run("--help")[0].output
    assert "Do the work." in help_text
    assert "All of it." in help_text
    assert "Not for users" not in help_text
    assert "A side.  [default: 32; x>=16]" in help_text
    assert "[one|two]" in help_text
    assert "[default: a,b]" in help_text
    assert "-o, --output OUT" in help_text


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([__file__], 2, "-o"),
        ([__file__, "-o", "new.json", "--side", 8], 2, "8 is not in the range x>=16"),
        ([__file__, "-o", "new.json", "--side", 20], 1, "side must be a multiple of 8, not 20"),
        ([__file__, "-o", "new.json", "--kind", "six"], 2, "'six' is not one of 'one', 'two'"),
        ([__file__, "-o", "new.json", "--names", "a,x"], 2, "names must be a, b or c, not 'x'"),
        ([__file__, "-o", "new.json", "--weight", 2], 2, "2.0 is not in the range 0<=x<2"),
        (["missing", "-o", "new.json"], 2, "'missing' does not exist"),
    ],
)
def test_what_cannot_be_used_is_named(arguments, code, message):
    result, settings = run(*arguments)
    assert result.exit_code == code
    assert message in result.output
    assert settings is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"weight": float("nan")}, "weight must be a finite number from 0 up to less than 2, not"),
        ({"weight": 2}, "not 2"),
        ({"weight": -1}, "not -1"),
    ],
)
def test_values_are_checked_without_a_command_line_too(values, message):
    with pytest.raises(ValueError, match=message):
        Inner(**values)


def test_errors_become_one_line():
    def fail(settings: Inner) -> None:
        raise OSError(2, "No such file", f"weights-{settings.weight}")

    result = CliRunner().invoke(settings_command("fail", fail), [])
    assert result.exit_code == 1
    assert result.output == "Error: [Errno 2] No such file: 'weights-1.0'\n"


def test_a_setting_of_two_groups_is_refused():
    def work(one: Outer, two: Other) -> None: ...

    with pytest.raises(ValueError, match="work has more than one setting side"):
        settings_command("work", work)
