"""Names of the server for shell completion. A server that does not answer soon has none."""

import os
from collections.abc import Callable
from typing import Any, Final

import click

from atelier._client import Client
from atelier._errors import AtelierError

_SECONDS: Final = 1.0
"""Longer than that, nobody waits for a suggestion."""


def complete_styles(context: click.Context, _parameter: click.Parameter, typed: str) -> list[str]:
    """The styles that the typed text may become; of a mix, its last part is completed."""
    mix, comma, last = typed.rpartition(",")
    return [f"{mix}{comma}{name}" for name in _names(context, Client.styles, last)]


def complete_movements(
    context: click.Context, _parameter: click.Parameter, typed: str
) -> list[str]:
    """The generator's movements that the typed text may become."""
    return _names(context, Client.movements, typed)


def _names(context: click.Context, ask: Callable[[Any], list[str]], typed: str) -> list[str]:
    url = context.params.get("url") or os.environ.get("ATELIER_URL") or "localhost:8001"
    try:
        with Client(url, timeout=_SECONDS, retries=0) as art:
            return [name for name in ask(art) if name.startswith(typed)]
    except (AtelierError, ValueError):  # A message would end up in what is being typed.
        return []
