"""The commands of this package: `train`, `evaluate`, `calibrate`, `export` FAMILY, and others.

A family is imported when its command or its help is called, so that listing the commands is quick.
"""

from collections.abc import Callable
from functools import partial
from importlib import import_module

import click

from atelier_export.commands.export_family import export_all, export_command
from atelier_export.commands.lazy import LazyCommand
from atelier_export.commands.model_card import model_card_command
from atelier_export.commands.options import HELP_OPTION, settings_command
from atelier_export.families import FAMILIES, Family


def _group(
    name: str,
    help: str,  # noqa: A002
    make: Callable[[Family], click.Command],
    *others: click.Command,
) -> click.Group:
    """The group `atelier NAME`; `make` returns a family's command."""
    group = click.Group(name, help=help, context_settings=HELP_OPTION)
    for family in FAMILIES.values():
        command = LazyCommand(family.name, family.purpose, partial(make, family))
        group.add_command(command)
    for other in others:
        group.add_command(other)
    return group


def _single(name: str, short_help: str, module: str, function: str) -> click.Command:
    """The command `atelier NAME`, made from a function of a module."""
    return LazyCommand(
        name,
        short_help,
        lambda: settings_command(name, getattr(import_module(module), function)),
    )


def _digits(family: Family) -> click.Command:
    name = f"digits-{family.name}"
    return LazyCommand(
        name,
        f"Train the {family.name} family's code on MNIST, as a test of it.",
        lambda: settings_command(name, family.module.train_digits),
    )


train = _group(
    "train",
    "Train a family's networks on your own images.",
    lambda family: settings_command(family.name, family.module.train),
    *(_digits(family) for family in FAMILIES.values() if family.digits),
)
evaluate = _group(
    "evaluate",
    "Measure how good a family's published networks are.",
    lambda family: settings_command(family.name, family.module.evaluate),
)
calibrate = _group(
    "calibrate",
    "Measure how a family's networks are put into 8 bits.",
    lambda family: settings_command(family.name, family.module.calibrate),
)
export = _group(
    "export",
    "Export a family's networks into a Triton model repository.",
    export_command,
    export_all,
)
model_card = _group(
    "model-card",
    "Update the tables of a family's model card from its evaluation.",
    model_card_command,
)
paint = _single(
    "paint", "Repaint a photograph slowly: by optimisation of its pixels.",
    "atelier_export.gatys.command", "paint",
)  # fmt: skip
add_style = _single(
    "add-style", "Teach a trained style network one more painting.",
    "atelier_export.style.training", "add_style",
)  # fmt: skip
compare_style_networks = _single(
    "compare-style-networks", "Compare the cost and the quality of trained style networks.",
    "atelier_export.style.compare_style_networks", "compare_style_networks",
)  # fmt: skip
