"""The commands `atelier evaluate …`."""

import json
from pathlib import Path
from typing import Literal

import click

from atelier_export import options


def _checked_starts(
    context: click.Context, parameter: click.Parameter, value: str
) -> tuple[str, ...]:
    starts = tuple(dict.fromkeys(value.split(",")))
    for start in starts:
        if start not in ("noise", "photograph"):
            raise click.BadParameter(
                f"{start!r} is neither noise nor photograph", context, parameter
            )
    return starts


@click.group()
def evaluate() -> None:
    """Measure how good the published networks are."""


@evaluate.command("style", context_settings={"show_default": True})
@click.option(
    "--model-repository", type=options.FOLDER,
    default=Path("model_repository"), help="Where the model `style` is published.",
)  # fmt: skip
@options.photographs
@options.paintings
@options.vgg
@click.option(
    "-o", "--output", metavar="OUT", type=click.Path(path_type=Path, dir_okay=False), required=True,
    help="The JSON file to write.",
)  # fmt: skip
@click.option(
    "--curves", type=click.Path(path_type=Path, dir_okay=False),
    help="Where curves of the optimisation are kept for later.  [default: curves.jsonl beside OUT]",
)  # fmt: skip
@click.option("--styles", metavar="NAME,…", help="Only these styles.  [default: all]")
@click.option("--side", type=click.IntRange(64), default=256,
              help="Side of the photographs' middle, in pixels.")  # fmt: skip
@click.option("--every", type=click.IntRange(1), default=20,
              help="Every so manieth photograph by name is evaluated on.")  # fmt: skip
@click.option("--style-side", type=click.IntRange(16), default=384,
              help="Shorter side of the paintings in pixels.")  # fmt: skip
@click.option("--content-weight", type=click.FloatRange(0), default=1.0)
@click.option("--style-weight", type=click.FloatRange(0), default=5.0)
@click.option("--variation-weight", type=click.FloatRange(0), default=0.2)
@click.option("--iterations", type=click.IntRange(1), default=100,
              help="Limit of the slow optimisation.")  # fmt: skip
@click.option(
    "--optimisation-photographs", type=click.IntRange(0), default=2,
    help="Photographs a style that are optimised, for minutes each; 0: none.",
)  # fmt: skip
@click.option("--starts", metavar="NAME,…", default="noise,photograph",
              callback=_checked_starts, help="What the optimisation begins with.")  # fmt: skip
@click.option("--precision", type=click.Choice(["bfloat16", "float32"]), default="bfloat16",
              help="Of the optimisation's convolutions.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, help="Seed of all noise.")
def evaluate_style_command(
    model_repository: Path,
    photographs: Path,
    paintings: Path,
    vgg: Path,
    output: Path,
    curves: Path | None,
    styles: str | None,
    side: int,
    every: int,
    style_side: int,
    content_weight: float,
    style_weight: float,
    variation_weight: float,
    iterations: int,
    optimisation_photographs: int,
    starts: tuple[Literal["noise", "photograph"], ...],
    precision: Literal["bfloat16", "float32"],
    seed: int,
) -> None:
    """Measure the newest version of the model `style`.

    On photographs that the training left out: the distances of its loss, the number of iterations
    of the slow optimisation that come to the same loss, and how calm it stays when a photograph
    moves or takes noise. Writes all of it to OUT and prints tables for a model card. Killed at any
    moment, the same command goes on with the optimisation where it was.
    """
    from atelier_export.replacing import replacing
    from atelier_export.style.evaluate import EvaluationSettings, evaluate_style
    from atelier_export.style.paint import LossWeights
    from atelier_export.style.tables import evaluation_tables

    options.log_to_terminal()
    if not output.parent.is_dir():
        raise click.ClickException(f"{output}: there is no folder {str(output.parent)!r}")
    curves = curves or output.with_name("curves.jsonl")
    if curves.resolve() == output.resolve():
        raise click.ClickException(f"{output} cannot hold the curves too; choose another --curves")
    try:
        result = evaluate_style(
            model_repository, photographs, paintings, vgg, curves,
            EvaluationSettings(
                side=side,
                every=every,
                style_side=style_side,
                weights=LossWeights(content_weight, style_weight, variation_weight),
                iterations=iterations,
                optimisation_photographs=optimisation_photographs,
                starts=starts,
                precision=precision,
                seed=seed,
            ),
            styles.split(",") if styles else (),
        )  # fmt: skip
        with replacing(output) as partial:
            partial.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    except (OSError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(evaluation_tables(result))


@evaluate.command("networks", context_settings={"show_default": True})
@click.argument("checkpoints", metavar="CHECKPOINT…", nargs=-1, required=True, type=options.FILE)
@options.photographs
@options.paintings
@options.vgg
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, file_okay=False), required=True,
    help="Folder for front.json and front.png.",
)  # fmt: skip
@click.option("--side", type=click.IntRange(64), default=256,
              help="Side of the photographs' middle, for the distances.")  # fmt: skip
def compare_networks_command(
    checkpoints: tuple[Path, ...],
    photographs: Path,
    paintings: Path,
    vgg: Path,
    output: Path,
    side: int,
) -> None:
    """Compare trained style networks, the first being the baseline.

    Measures parameters, multiply-adds, milliseconds in ONNX Runtime in turns, and the distances on
    every twentieth photograph. Each network is called like the folder of its checkpoint.
    """
    from atelier_export.losses import perceptual_loss_of
    from atelier_export.pictures import find_paintings
    from atelier_export.style.checkpoint import load_style_checkpoint
    from atelier_export.style.compare_networks import (
        compare_networks,
        comparison_table,
        plot_front,
        save_comparison,
    )
    from atelier_export.style.evaluate import EvaluationSettings
    from atelier_export.style.held_out import held_out_photographs

    options.log_to_terminal()
    settings = EvaluationSettings(side=side)
    try:
        output.mkdir(parents=True, exist_ok=True)
        files = find_paintings(paintings, load_style_checkpoint(checkpoints[0]).styles)
        candidates = compare_networks(
            checkpoints,
            perceptual_loss_of(files.values(), vgg, settings.style_side),
            held_out_photographs(photographs, settings.every, settings.side),
            settings.weights,
        )
        save_comparison(candidates, output / "front.json")
        plot_front(candidates, output / "front.png")
    except (OSError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(comparison_table(candidates))
