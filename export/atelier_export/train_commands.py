"""`atelier train …`: the trainings on the command line."""

import logging
from pathlib import Path

import click


@click.group()
def train() -> None:
    """Train the networks on your own pictures."""


@train.command("style")
@click.option(
    "--photographs", type=click.Path(path_type=Path, exists=True), required=True,
    help="Folder or uncompressed tar archive of photographs.",
)  # fmt: skip
@click.option(
    "--paintings", type=click.Path(path_type=Path, exists=True, file_okay=False), required=True,
    help="Folder of paintings; each file's name is a style.",
)  # fmt: skip
@click.option(
    "--styles", metavar="NAME,…", help="Only these paintings, in this order.  [default: all]"
)
@click.option(
    "--vgg", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=True,
    help="Weights of VGG-19 conv1_1 to conv5_1 as safetensors (convX_Y.weight and .bias).",
)  # fmt: skip
@click.option(
    "--output", type=click.Path(path_type=Path, file_okay=False), required=True,
    help="Folder of the run; a run that was interrupted there goes on.",
)  # fmt: skip
@click.option("--steps", type=click.IntRange(20), default=4000, show_default=True)
@click.option("--batch", type=click.IntRange(1), default=2, show_default=True)
@click.option("--side", type=click.IntRange(32), default=256, show_default=True,
              help="Side of the crops in pixels.")  # fmt: skip
@click.option("--style-weight", type=click.FloatRange(0), default=10.0, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--device", default="cpu", show_default=True, help="A torch device: cpu, cuda.")
@click.option("--workers", type=click.IntRange(0), default=0, show_default=True,
              help="Processes that decode photographs.")  # fmt: skip
def train_style_command(
    photographs: Path,
    paintings: Path,
    styles: str | None,
    vgg: Path,
    output: Path,
    steps: int,
    batch: int,
    side: int,
    style_weight: float,
    seed: int,
    device: str,
    workers: int,
) -> None:
    """Train one style network on several paintings.

    Writes the checkpoint style.safetensors, loss.png, sample sheets and quality.json to the output
    folder. Killed at any moment, the same command goes on from the last saved state.
    """
    from atelier_export.pictures import find_pictures
    from atelier_export.train_style import StyleTraining, train_style

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    try:
        settings = StyleTraining(
            steps=steps, batch=batch, side=side, style_weight=style_weight, seed=seed
        )
        files = [picture.file for picture in find_pictures(paintings)]
        names = [file.stem for file in files]
        chosen = styles.split(",") if styles else names
        unknown = [name for name in chosen if name not in names]
        if unknown:
            raise click.BadParameter(
                f"{paintings} has no {', '.join(unknown)}; it has {', '.join(names)}",
                param_hint="--styles",
            )
        # Two files of one name are both handed on, and refused there.
        wanted = [file for name in dict.fromkeys(chosen) for file in files if file.stem == name]
        checkpoint = train_style(photographs, wanted, vgg, output, settings, device, workers)
    except (OSError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(checkpoint)
