"""The command `atelier paint`."""

import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Literal

import click

from atelier_export import options


@click.command(context_settings={"show_default": True})
@click.argument("photo", type=options.FILE)
@click.argument("painting", type=options.FILE)
@click.option(
    "-o", "--output", metavar="OUT", type=click.Path(path_type=Path, dir_okay=False), required=True,
    help="The picture to write; its suffix (.png, .jpg, .webp) chooses the format.",
)  # fmt: skip
@options.vgg
@click.option("--optimizer", type=click.Choice(["lbfgs", "adam"]), default="lbfgs")
@click.option("--content-weight", type=click.FloatRange(0), default=1.0)
@click.option("--style-weight", type=click.FloatRange(0), default=5.0)
@click.option("--variation-weight", type=click.FloatRange(0), default=0.2)
@click.option("--iterations", type=click.IntRange(0), default=200)
@click.option("--start", type=click.Choice(["photograph", "noise"]), default="photograph")
@click.option(
    "--side", type=click.IntRange(16), default=512,
    help="Longer side of the result in pixels; a smaller photograph keeps its size.",
)  # fmt: skip
@click.option(
    "--style-side", type=click.IntRange(16), default=384,
    help="Shorter side of the painting in pixels: the scale of the strokes.",
)  # fmt: skip
@click.option(
    "--keep-colors", is_flag=True, help="Take over the painting's light and dark, not its colours."
)
@click.option(
    "--precision", type=click.Choice(["bfloat16", "float32"]), default="bfloat16",
    help="Of the convolutions.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, help="Seed of the noise.")
@click.option(
    "--save-every", type=click.IntRange(1), default=10,
    help="Iterations from one saved picture and report to the next.",
)  # fmt: skip
@click.option("--plot", is_flag=True, help="Draw the curve too, as OUT's name with .curve.png.")
@options.device
def paint(
    photo: Path,
    painting: Path,
    output: Path,
    vgg: Path,
    optimizer: Literal["lbfgs", "adam"],
    content_weight: float,
    style_weight: float,
    variation_weight: float,
    iterations: int,
    start: Literal["photograph", "noise"],
    side: int,
    style_side: int,
    keep_colors: bool,
    precision: Literal["bfloat16", "float32"],
    seed: int,
    save_every: int,
    plot: bool,
    device: str,
) -> None:
    """Repaint PHOTO in the style of PAINTING, slowly: by optimisation of the pixels.

    No network is trained and no server asked. The picture is saved on the way, and the loss of
    every iteration beside it, as OUT's name with .json; so an interrupted run leaves what it had.
    """
    from atelier_export.style.paint import LossWeights, PaintSettings
    from atelier_export.style.paint_run import PaintRun, paint_files

    options.log_to_terminal()
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        paint_files(
            photo, painting, vgg, output,
            PaintSettings(
                weights=LossWeights(content_weight, style_weight, variation_weight),
                iterations=iterations,
                start=start,
                optimizer=optimizer,
                precision=precision,
                seed=seed,
            ),
            PaintRun(side, style_side, keep_colors, save_every, plot),
            device,
        )  # fmt: skip
    except (OSError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    finally:
        signal.signal(signal.SIGTERM, before)
    click.echo(output)


def _terminate(number: int, _frame: FrameType | None) -> None:
    # An exception, so that the picture is saved as it is.
    sys.exit(128 + number)
