"""Commands that are made when they are called, so that listing them imports nothing heavy."""

from collections.abc import Callable
from typing import Any

import click


class LazyCommand(click.Command):
    """Stands in a list of commands for one that is made when it is called or asked for help."""

    def __init__(self, name: str, short_help: str, make: Callable[[], click.Command]) -> None:
        """Keeps what the list shows; `make` gives the command itself."""
        super().__init__(name, short_help=short_help)
        self._make = make

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Hands the arguments to the command itself."""
        return self._make().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command itself, whose context `make_context` gave."""
        return ctx.command.invoke(ctx)
