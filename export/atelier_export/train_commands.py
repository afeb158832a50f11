"""`atelier train …`: the trainings on the command line."""

from pathlib import Path

import click
from click.core import ParameterSource

from atelier_export import options

STEPS, STEPS_OF_ONE_STYLE = 12000, 1000


@click.group()
def train() -> None:
    """Train the networks on your own pictures."""


@train.command("style")
@options.photographs
@click.option(
    "--paintings", type=options.FOLDER, help="Folder of paintings; each file's name is a style."
)
@click.option(
    "--styles", metavar="NAME,…", help="Only these paintings, in this order.  [default: all]"
)
@click.option(
    "--add", type=options.FILE, metavar="PAINTING",
    help="Teach the network of --checkpoint this painting too, and leave its other styles alone.",
)  # fmt: skip
@click.option(
    "--checkpoint", type=click.Path(path_type=Path),
    default=Path("export/checkpoints/style/style.safetensors"), show_default=True,
    help="The network that --add widens.",
)  # fmt: skip
@options.vgg
@click.option(
    "--output", type=click.Path(path_type=Path, file_okay=False), required=True,
    help="Folder of the run; a run that was interrupted there goes on.",
)  # fmt: skip
@click.option(
    "--network", metavar="NAME", default="eighth", show_default=True,
    help="The network's shape, one of atelier_export.style.networks.",
)  # fmt: skip
@click.option(
    "--steps", type=click.IntRange(1),
    help="Updates of the weights; a run can be made longer, best before its last quarter.  "
    f"[default: {STEPS}; with --add {STEPS_OF_ONE_STYLE}]",
)  # fmt: skip
@click.option("--batch", type=click.IntRange(1), default=2, show_default=True,
              help="Photographs an update.")  # fmt: skip
@click.option("--side", type=click.IntRange(32), default=192, show_default=True,
              help="Side in pixels of the squares on which the loss looks.")  # fmt: skip
@click.option("--crops", type=click.IntRange(1), default=2000, show_default=True,
              help="Number of different crops; give more than there are photographs.")  # fmt: skip
@click.option("--style-weight", type=click.FloatRange(0), default=5.0, show_default=True,
              help="Weight of the style against the photograph.")  # fmt: skip
@click.option("--calm-weight", type=click.FloatRange(0), default=2.0, show_default=True,
              help="Weight of the steadiness from frame to frame.")  # fmt: skip
@click.option("--varied", type=click.FloatRange(0, 1, max_open=True), default=0.25,
              show_default=True, help="Share of the photographs painted at strengths other than 1.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True,
              help="Seed of weights, crops, styles, strengths and moves.")  # fmt: skip
@options.device
@click.option("--workers", type=click.IntRange(0), default=0, show_default=True,
              help="Processes that decode photographs.")  # fmt: skip
@click.pass_context
def train_style_command(
    context: click.Context,
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
    from atelier_export.pictures import find_paintings
    from atelier_export.style.settings import StyleTraining
    from atelier_export.style.train import Inputs, Machine, add_style, train_style

    if (paintings is None) == (add is None):
        raise click.UsageError("give either --paintings for a new network or --add for one more")
    for name in ("network", "styles") if add else ("checkpoint",):
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT:
            raise click.UsageError(
                f"--{name} has no effect with --{'add' if add else 'paintings'}; leave it out"
            )
    options.log_to_terminal()
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
            chosen = find_paintings(paintings, styles.split(",") if styles else ())
            inputs = Inputs(photographs, list(chosen.values()), vgg)
            trained = train_style(inputs, output, settings, machine)
    except (OSError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(trained)
