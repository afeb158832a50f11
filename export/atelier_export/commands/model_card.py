"""The command `atelier model-card FAMILY`."""

from pathlib import Path

import click

from atelier_export.families import Family


def model_card_command(family: Family) -> click.Command:
    """The command that updates the tables of a family's card."""

    def run(folder: Path) -> None:
        from atelier_export.reports.model_card import update_card

        try:
            click.echo(update_card(folder, family.module.tables))
        except (OSError, ValueError) as error:
            raise click.ClickException(str(error)) from error

    return click.Command(
        family.name,
        callback=run,
        help=f"Update the tables of the {family.name} model card from its evaluation.json.",
        params=[
            click.Option(
                ["--folder"], type=click.Path(path_type=Path, exists=True, file_okay=False),
                default=family.checkpoint.parent, show_default=True,
                help="The folder with README.md and evaluation.json.",
            )
        ],
    )  # fmt: skip
