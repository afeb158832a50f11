"""The kinds of command and group that the command line is made of."""

from collections import Counter
from typing import Final

import click

_WHOLE: Final = 10_000
"""Characters; no first sentence of a help text has more."""


class Command(click.Command):
    """A command that refuses an option given twice, of which click would take the last."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parses the arguments.

        Raises:
            click.UsageError: An option is there twice that has one value.
        """
        _, _, given = self.make_parser(ctx).parse_args(list(args))
        for parameter, times in Counter(given).items():
            if times > 1 and _has_one_value(parameter) and not ctx.resilient_parsing:
                names = " / ".join(map(repr, parameter.opts))
                raise click.UsageError(f"{names} is there {times} times; give it once", ctx)
        return super().parse_args(ctx, args)


class Group(click.Group):
    """A group whose list of commands has a whole sentence for each."""

    command_class = Command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the names, each with the first sentence of its help."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [
            (name, command.get_short_help_str(_WHOLE))
            for name, command in commands
            if command is not None and not command.hidden
        ]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)


def _has_one_value(parameter: click.Parameter) -> bool:
    if not isinstance(parameter, click.Option):
        return False
    return not (parameter.multiple or parameter.count or parameter.is_flag)
