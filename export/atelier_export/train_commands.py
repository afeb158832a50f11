"""`atelier train …`: the trainings on the command line."""

import logging
from pathlib import Path

import click

STEPS, STEPS_OF_ONE_STYLE = 12000, 1000


@click.group()
def train() -> None:
    """Train the networks on your own pictures."""


@train.command("style")
@click.option(
    "--photographs", type=click.Path(path_type=Path, exists=True), required=True,
    help="Folder or uncompressed tar archive of photographs.",
)  # fmt: skip
@click.option(
    "--paintings", type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of paintings; each file's name is a style.",
)  # fmt: skip
@click.option(
    "--styles", metavar="NAME,…", help="Only these paintings, in this order.  [default: all]"
)
@click.option(
    "--add", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="PAINTING",
    help="Teach the network of --checkpoint this painting too, and leave its other styles alone.",
)  # fmt: skip
@click.option(
    "--checkpoint", type=click.Path(path_type=Path),
    default=Path("export/checkpoints/style/style.safetensors"), show_default=True,
    help="The network that --add widens.",
)  # fmt: skip
@click.option(
    "--vgg", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=True,
    help="Weights of VGG-19 conv1_1 to conv5_1 as safetensors (convX_Y.weight and .bias).",
)  # fmt: skip
@click.option(
    "--output", type=click.Path(path_type=Path, file_okay=False), required=True,
    help="Folder of the run; a run that was interrupted there goes on.",
)  # fmt: skip
@click.option(
    "--network", metavar="NAME", default="eighth", show_default=True,
    help="The network's shape, one of atelier_export.style_networks.",
)  # fmt: skip
@click.option(
    "--steps", type=click.IntRange(1),
    help="Updates of the weights; a run can be made longer until its last quarter begins.  "
    f"[default: {STEPS}; with --add {STEPS_OF_ONE_STYLE}]",
)  # fmt: skip
@click.option("--batch", type=click.IntRange(1), default=2, show_default=True)
@click.option("--side", type=click.IntRange(32), default=192, show_default=True,
              help="Side in pixels of the squares on which the loss looks.")  # fmt: skip
@click.option("--crops", type=click.IntRange(1), default=2000, show_default=True,
              help="Number of different crops.")  # fmt: skip
@click.option("--style-weight", type=click.FloatRange(0), default=5.0, show_default=True)
@click.option("--calm-weight", type=click.FloatRange(0), default=2.0, show_default=True,
              help="Weight of the steadiness from frame to frame.")  # fmt: skip
@click.option("--varied", type=click.FloatRange(0, 1), default=0.25, show_default=True,
              help="Share of the photographs painted at strengths other than 1.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--device", default="cpu", show_default=True, help="A torch device: cpu, cuda.")
@click.option("--workers", type=click.IntRange(0), default=0, show_default=True,
              help="Processes that decode photographs.")  # fmt: skip
def train_style_command(
    photographs: Path,
    paintings: Path | None,
    styles: str | None,
    add: Path | None,
    checkpoint: Path,
    vgg: Path,
    output: Path,
    network: str,
    steps: int | None,
    batch: int,
    side: int,
    crops: int,
    style_weight: float,
    calm_weight: float,
    varied: float,
    seed: int,
    device: str,
    workers: int,
) -> None:
    """Train one style network on several paintings, or add a painting to a trained one.

    Writes the checkpoint style.safetensors, loss.png and sample sheets to the output folder. Killed
    at any moment, the same command goes on from the last saved state.
    """
    from atelier_export.style_training import StyleTraining
    from atelier_export.train_style import Inputs, Machine, add_style, train_style

    if (paintings is None) == (add is None):
        raise click.UsageError("give either --paintings for a new network or --add for one more")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    machine = Machine(device, workers)
    try:
        settings = StyleTraining(
            steps=steps or (STEPS_OF_ONE_STYLE if add else STEPS), batch=batch, side=side,
            crops=crops, style_weight=style_weight, calm_weight=calm_weight, varied=varied,
            network=network, seed=seed,
        )  # fmt: skip
        if add is not None:
            inputs = Inputs(photographs, [add], vgg)
            trained = add_style(checkpoint, inputs, output, settings, machine)
        else:
            assert paintings is not None
            inputs = Inputs(photographs, _chosen(paintings, styles), vgg)
            trained = train_style(inputs, output, settings, machine)
    except (OSError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(trained)


def _chosen(paintings: Path, styles: str | None) -> list[Path]:
    from atelier_export.pictures import find_pictures

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
    return [file for name in dict.fromkeys(chosen) for file in files if file.stem == name]
