"""`atelier health`."""

import click

from atelier._cli.command import Command
from atelier._cli.options import server_options
from atelier._client import Client
from atelier._errors import AtelierError


@click.command(cls=Command)
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="SECONDS",
    show_default=True,
    help="How long to wait for a server that starts.",
)
@server_options
def health(wait: float, url: str, timeout: float) -> None:
    """Say whether the server lives, is ready, and has all its models ready.

    Exit codes: 0 it does; 1 it does not, and standard error says why.
    """
    with Client(url, timeout=timeout) as art:
        try:
            models = art.health(wait)
        except AtelierError as error:
            raise click.ClickException(str(error)) from error
    click.echo(f"live, ready, and so are its models: {', '.join(models)}")
