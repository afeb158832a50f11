"""Commands that are built on their first call, so that listing them imports nothing heavy."""

from collections.abc import Callable
from typing import Any

import click


class LazyCommand(click.Command):
    """A command's entry in a list; the command itself is built when it or its help is called."""

    def __init__(self, name: str, short_help: str, make: Callable[[], click.Command]) -> None:
        """Takes what the list shows; `make` builds the command itself."""
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
        """Runs the command itself, in the context that `make_context` returned."""
        return ctx.command.invoke(ctx)
