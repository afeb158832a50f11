"""The command `atelier export FAMILY`."""

from pathlib import Path

import click

from atelier_export.families import FAMILIES, Family


def export_command(family: Family) -> click.Command:
    """The command that publishes a family."""

    def run(checkpoint: Path, model_repository: Path, version: int | None, tensorrt: bool) -> None:
        export_family(family, checkpoint, model_repository, version, tensorrt)

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
            click.Option(
                ["--tensorrt"], is_flag=True,
                help="Then build an engine for this machine's GPU beside each graph, with trtexec; "
                "Triton takes them with --model-config-name=tensorrt_plan. Not run on a GPU yet.",
            ),
        ],
    )  # fmt: skip


def export_family(
    family: Family,
    checkpoint: Path,
    model_repository: Path,
    version: int | None,
    tensorrt: bool = False,
) -> None:
    """Publishes a family and prints the result; raises ClickException if it fails."""
    from atelier_export.publishing.errors import PlanError, PublishError
    from atelier_export.publishing.publish import publish
    from atelier_export.publishing.tensorrt_plan import build_plans

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
    if tensorrt:
        try:
            build_plans(models, model_repository, publication.version, click.echo)
        except (OSError, PlanError) as error:
            raise click.ClickException(str(error)) from error


@click.command("all")
def export_all() -> None:
    """Publish every family's checkpoint in `export/checkpoints`."""
    for family in FAMILIES.values():
        if family.checkpoint.exists():
            export_family(family, family.checkpoint, Path("model_repository"), None)
        else:
            click.echo(f"{family.name}: there are no weights at {family.checkpoint} yet")
