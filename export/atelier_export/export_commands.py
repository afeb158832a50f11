"""The commands `atelier export …`."""

from pathlib import Path

import click


@click.group()
def export() -> None:
    """Export trained networks into a Triton model repository."""


@export.command()
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path),
    default=Path("export/checkpoints/style/style.safetensors"),
    show_default=True,
    help="The trained network.",
)
@click.option(
    "--model-repository",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("model_repository"),
    show_default=True,
    help="Where the model is published.",
)
@click.option(
    "--version",
    type=click.IntRange(min=1),
    help="The version's number.  [default: the one after the newest]",
)
def style(checkpoint: Path, model_repository: Path, version: int | None) -> None:
    """Publish a style network as the model `style`.

    Exports it to ONNX, compares ONNX Runtime's pictures with PyTorch's, and adds a version to the
    repository. Nothing is published if they differ by more than 1 of 255.
    """
    from atelier_export.publish import PublishError
    from atelier_export.style.export import export_style
    from atelier_export.style.parity import ParityError

    try:
        publication = export_style(checkpoint, model_repository, version, click.echo)
    except (OSError, ValueError, ParityError, PublishError) as error:
        raise click.ClickException(str(error)) from error
    if publication.is_new:
        click.echo(f"published version {publication.version} in {publication.folder}")
    else:
        click.echo(f"{publication.folder} is this very export already; nothing was changed")
