"""`atelier models`: the models of a server, loaded and unloaded while it runs."""

import json
from collections.abc import Iterator
from dataclasses import asdict

import click
from rich.table import Table

from atelier import _models
from atelier._cli.command import Group
from atelier._cli.console import wide_console
from atelier._cli.options import server_options
from atelier._client import Client


@click.group(cls=Group)
def models() -> None:
    """List, load and unload the models of a server.

    It takes the token for administration, which the server was started with (atelier serve
    --admin-token-file): give it with --token-file. Of several servers, each is asked by itself.
    """


@models.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON for each version.")
@server_options
def list_models(as_json: bool, url: str, timeout: float) -> None:
    """List what lies in the server's repositories, and what of it is ready."""
    table = Table()
    for heading in ("server", "model", "version", "state", "reason"):
        table.add_column(heading)
    for address, art in _each(url, timeout):
        for found in art._lead(_models.index(), art._health_policy(0)):
            if as_json:
                click.echo(json.dumps({"url": address, **asdict(found)}))
            table.add_row(address, found.name, found.version, found.state, found.reason)
    if not as_json:
        wide_console().print(table)


@models.command("load")
@click.argument("model")
@server_options
def load_model(model: str, url: str, timeout: float) -> None:
    """Load a model, or what is new of it: a version, a configuration.

    The versions before serve until the new one is ready, and go on if it never is. Nothing is tried
    out beforehand, as it is on SIGUSR1.
    """
    for address, art in _each(url, timeout):
        versions = art._lead(_models.load(model), art._health_policy(0))
        click.echo(f"{address}: {model} is ready in version {', '.join(versions)}")


@models.command("unload")
@click.argument("model")
@server_options
def unload_model(model: str, url: str, timeout: float) -> None:
    """Unload a model: it answers the requests that it has, and takes no others.

    Unload the models that call it first. When the server starts again, it loads every model.
    """
    for address, art in _each(url, timeout):
        art._lead(_models.unload(model), art._health_policy(0))
        click.echo(f"{address}: {model} takes no more requests")


def _each(url: str, timeout: float) -> Iterator[tuple[str, Client]]:
    """A client for each server alone, by its address."""
    for address in (each.strip() for each in url.split(",")):
        with Client(address, timeout=timeout) as art:
            yield address, art
