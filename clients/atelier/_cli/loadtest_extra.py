"""Saying which extra brings the modules of the load test."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from atelier._extras import pip_install


@contextmanager
def loadtest_extra(
    refusal: type[click.ClickException] = click.ClickException,
) -> Iterator[None]:
    """Turns a missing module into a refusal with advice, around the imports of a command."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("atelier"):
            raise
        advice = f"the module {error.name!r} is missing: {pip_install('loadtest')}"
        raise refusal(advice) from error
