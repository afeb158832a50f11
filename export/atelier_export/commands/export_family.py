"""The command `atelier export FAMILY`."""

from pathlib import Path

import click

from atelier_export.families import FAMILIES, Family


def export_command(family: Family) -> click.Command:
    """The command that publishes a family."""

    def run(
        checkpoint: Path,
        model_repository: Path,
        version: int | None,
        configurations: bool,
        tensorrt: bool,
    ) -> None:
        if configurations and (version or tensorrt):
            raise click.UsageError(
                "--configurations leaves the versions as they are: it goes with neither --version "
                "nor --tensorrt"
            )
        if configurations:
            configure_family(family, checkpoint, model_repository)
        else:
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
                ["--configurations"], is_flag=True,
                help="Write only the configurations and labels anew, and their checksums into the "
                "manifests: the networks stay the version that they are.",
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


def configure_family(family: Family, checkpoint: Path, model_repository: Path) -> None:
    """Writes a family's configurations anew; raises ClickException if it fails."""
    from atelier_export.publishing.errors import PublishError
    from atelier_export.publishing.publish import configure

    try:
        changed = configure(family.module.served_models(checkpoint), model_repository, click.echo)
    except (OSError, ValueError, PublishError) as error:
        raise click.ClickException(str(error)) from error
    for folder in changed:
        click.echo(f"configured {folder}")
    if not changed:
        click.echo(f"{model_repository} already holds these configurations; nothing was changed")


@click.command("all")
@click.option("--configurations", is_flag=True, help="As in the commands of the families.")
def export_all(configurations: bool) -> None:
    """Publish every family's checkpoint in `export/checkpoints`."""
    repository = Path("model_repository")
    for family in FAMILIES.values():
        if not family.checkpoint.exists():
            click.echo(f"{family.name}: there are no weights at {family.checkpoint} yet")
        elif configurations:
            configure_family(family, family.checkpoint, repository)
        else:
            export_family(family, family.checkpoint, repository, None)
