"""The group `atelier`: its own commands, the other packages' commands, and the exit codes."""

from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points

import click

from atelier._cli.bulk import bulk
from atelier._cli.classify import classify
from atelier._cli.command import Group
from atelier._cli.compress import compress, decompress
from atelier._cli.demo import demo
from atelier._cli.generator import generate, movements, walk
from atelier._cli.health import health
from atelier._cli.loadtest import loadtest
from atelier._cli.messages import sentence
from atelier._cli.models import models
from atelier._cli.restoration import denoise, fill, reconstruct
from atelier._cli.search import search_command
from atelier._cli.status import status
from atelier._cli.styles import styles
from atelier._cli.stylize import stylize
from atelier._cli.variations import morph, vary, wander
from atelier._errors import (
    AtelierError,
    DeadlineExceeded,
    InvalidRequest,
    NotAllowed,
    Overloaded,
    Unreachable,
)
from atelier._extras import DISTRIBUTION, advice_for, remedy_for

_EXIT_CODES: dict[type[AtelierError], int] = {
    InvalidRequest: 1,
    NotAllowed: 1,
    Unreachable: 3,
    Overloaded: 4,
    DeadlineExceeded: 5,
    AtelierError: 6,
}
"""Of the first class that an error belongs to."""
_INTERRUPTED = 130

_EPILOG = """\
Exit codes: 0 done; 1 refused, or a file cannot be read or written; 2 wrong usage; 3 the server
cannot be reached, or its model is unavailable for the moment; 4 the server is overloaded; 5 the
timeout passed; 6 the server failed; 130 interrupted.
"""


class CommandLine(Group):
    """A group that also finds commands through the entry points `atelier.commands`.

    A package's command is loaded when it is listed or called. One whose module is missing stays
    listed, and says what to install when it is called.
    """

    def list_commands(self, context: click.Context) -> list[str]:
        """Every command's name, in alphabetical order."""
        return sorted({*super().list_commands(context), *_commands_of_other_packages()})

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """The command of this name, or None."""
        own = super().get_command(context, name)
        entry_point = _commands_of_other_packages().get(name)
        if own is not None or entry_point is None:
            return own
        try:
            command = entry_point.load()
        except ModuleNotFoundError as error:
            return _unavailable(name, error.name or entry_point.module)
        assert isinstance(command, click.Command)
        return command


@click.group(
    cls=CommandLine,
    epilog=_EPILOG,
    context_settings={"max_content_width": 100, "help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name=DISTRIBUTION)
def command_line() -> None:
    """Repaint, classify, mend, morph and generate images, and serve the networks that do."""


command_line.add_command(stylize)
command_line.add_command(bulk)
command_line.add_command(styles)
command_line.add_command(classify)
command_line.add_command(reconstruct)
command_line.add_command(denoise)
command_line.add_command(fill)
command_line.add_command(morph)
command_line.add_command(vary)
command_line.add_command(wander)
command_line.add_command(compress)
command_line.add_command(decompress)
command_line.add_command(search_command)
command_line.add_command(generate)
command_line.add_command(movements)
command_line.add_command(walk)
command_line.add_command(health)
command_line.add_command(status)
command_line.add_command(models)
command_line.add_command(demo)
command_line.add_command(loadtest)


def run(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit code. Expected errors become one line.

    Args:
        arguments: The arguments, or None for the process's own.
    """
    try:
        code = command_line.main(
            None if arguments is None else list(arguments),
            prog_name="atelier",
            standalone_mode=False,
        )
    except click.Abort:
        return _INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except AtelierError as error:
        code = next(code for kind, code in _EXIT_CODES.items() if isinstance(error, kind))
        # A refusal speaks of what was typed; the server's log has nothing to add to it.
        return _fail(error.args[0] if isinstance(error, InvalidRequest) else str(error), code)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("atelier"):
            raise
        return _fail(advice_for(error.name), 1)
    except OSError as error:
        return _fail(sentence(error), 1)
    return code if isinstance(code, int) else 0


def _commands_of_other_packages() -> dict[str, EntryPoint]:
    return {entry_point.name: entry_point for entry_point in entry_points(group="atelier.commands")}


def _unavailable(name: str, module: str) -> click.Command:
    def refuse() -> None:
        raise click.ClickException(advice_for(module))

    return click.Command(
        name,
        callback=refuse,
        help=f"Missing: {remedy_for(module)}",
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    )


def _fail(message: str, code: int) -> int:
    click.echo(f"Error: {message}", err=True)
    return code
