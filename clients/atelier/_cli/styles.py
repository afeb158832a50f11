"""`atelier styles`."""

import click

from atelier._cli.command import Command
from atelier._cli.options import RETRIES, server_options
from atelier._client import Client


@click.command(cls=Command)
@server_options
def styles(url: str, timeout: float) -> None:
    """List the styles that the server has, one a line."""
    with Client(url, timeout=timeout, retries=RETRIES) as art:
        for name in art.styles():
            click.echo(name)
