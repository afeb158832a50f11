"""The command `atelier export FAMILY`."""

from pathlib import Path

import click

from atelier_export.families import FAMILIES, Family


def export_command(family: Family) -> click.Command:
    """The command that publishes a family."""

    def run(checkpoint: Path, model_repository: Path, version: int | None) -> None:
        export_family(family, checkpoint, model_repository, version)

    return click.Command(
        family.name,
        callback=run,
        help=f"""Publish the {family.name} networks of a checkpoint.

        Exports every model of the family to ONNX, compares ONNX Runtime's outputs with PyTorch's,
        and adds a version of each model to the repository. If one of them cannot be published or
        differs by more than its tolerance, none is.
        """,
        params=[
            click.Option(
                ["--checkpoint"], type=click.Path(path_type=Path), default=family.checkpoint,
                show_default=True, help="The trained networks.",
            ),
            click.Option(
                ["--model-repository"], type=click.Path(path_type=Path, file_okay=False),
                default=Path("model_repository"), show_default=True,
                help="The repository to publish into.",
            ),
            click.Option(
                ["--version"], type=click.IntRange(1),
                help="The version's number.  [default: the one after the newest]",
            ),
        ],
    )  # fmt: skip


def export_family(
    family: Family, checkpoint: Path, model_repository: Path, version: int | None
) -> None:
    """Publishes a family and prints the result; raises ClickException if it fails."""
    from atelier_export.publishing.errors import PublishError
    from atelier_export.publishing.publish import publish

    try:
        models = family.module.served_models(checkpoint)
        publication = publish(models, checkpoint, model_repository, version, click.echo)
    except (OSError, ValueError, PublishError) as error:
        raise click.ClickException(str(error)) from error
    for folder in publication.folders:
        if publication.is_new:
            click.echo(f"published version {publication.version} in {folder}")
        else:
            click.echo(f"{folder} already holds this export; nothing was changed")


@click.command("all")
def export_all() -> None:
    """Publish every family's checkpoint in `export/checkpoints`."""
    for family in FAMILIES.values():
        if family.checkpoint.exists():
            export_family(family, family.checkpoint, Path("model_repository"), None)
        else:
            click.echo(f"{family.name}: there are no weights at {family.checkpoint} yet")
