"""`atelier search`."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import click

from atelier._atomic_write import write_whole
from atelier._cli.command import Command
from atelier._cli.contact_sheet import captioned
from atelier._cli.image_files import row_of
from atelier._cli.options import RETRIES, overwrite_option, server_options
from atelier._cli.paths import check_kept
from atelier._client import Client
from atelier._search.objectives import objective_named
from atelier._search.optimizers import OPTIMIZERS
from atelier._search.search import search

_FILES: Final = ("best.png", "curve.png", "result.json")


@click.command("search", cls=Command)
@click.option("--movement", required=True, metavar="NAME", help="The movement to paint in.")
@click.option(
    "--objective",
    required=True,
    metavar="OBJECTIVE",
    help="movement:NAME, the probability of a movement by the classifier; image:FILE, closeness "
    "to an image; or novelty, distance to usual images and to all found before.",
)
@click.option(
    "--optimizer",
    "optimizers",
    type=click.Choice(list(OPTIMIZERS)),
    multiple=True,
    help="May be given several times. Without it: all of them.",
)
@click.option(
    "--budget",
    type=click.IntRange(min=1),
    default=320,
    metavar="NUMBER",
    show_default=True,
    help="How many images each optimizer may evaluate, for each seed.",
)
@click.option(
    "--batch",
    type=click.IntRange(4, 1024),
    default=16,
    metavar="NUMBER",
    show_default=True,
    help="How many images to evaluate at a time.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    metavar="NUMBER",
    show_default=True,
    help="Another one searches from other latents.",
)
@click.option(
    "--repeats",
    type=click.IntRange(1),
    default=1,
    metavar="NUMBER",
    show_default=True,
    help="How many seeds to search with, from --seed on.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    metavar="OUT",
    help=f"The folder to write {', '.join(_FILES)} into.",
)
@overwrite_option
@server_options
def search_command(
    optimizers: Sequence[str],
    output: Path,
    overwrite: bool,
    url: str,
    timeout: float,
    **settings: Any,
) -> None:
    """Search the generator's latents for the image that an objective likes best.

    All optimizers spend the same budget; random search shows what the others gain.
    """
    # Loaded here, as it needs matplotlib; `cma` is needed next. Whoever lacks one of them hears it
    # before anything is searched.
    from atelier._search import report

    for file in _FILES:
        check_kept(output / file, overwrite=overwrite)
    names = list(dict.fromkeys(optimizers)) or list(OPTIMIZERS)
    seeds = range(settings["seed"], settings["seed"] + settings["repeats"])
    size = {"budget": settings["budget"], "batch": settings["batch"]}
    with Client(url, timeout=timeout, retries=RETRIES) as painter:
        objective = objective_named(settings["objective"], painter, settings["movement"])
        label = objective().label
        length = painter.latents(1, seed=0).shape[1]
        optimizer_of = {
            (name, seed): OPTIMIZERS[name](length, seed=seed, **size)
            for name in names
            for seed in seeds
        }
        output.mkdir(parents=True, exist_ok=True)
        found = {
            (name, seed): search(
                painter,
                optimizer,
                objective(),
                movement=settings["movement"],
                progress=partial(_say, name, seed, settings["budget"]),
                **size,
            )
            for (name, seed), optimizer in optimizer_of.items()
        }

    results = {name: [found[name, seed] for seed in seeds] for name in names}
    best = {name: report.best_of(searches) for name, searches in results.items()}
    row = row_of(
        [captioned(each.image, [name, f"{each.score:.4g}"]) for name, each in best.items()]
    )
    contents = [
        report.png(row),
        report.curve(results, label),
        report.result(results, seeds, {**settings, "score": label}),
    ]
    for file, data in zip(_FILES, contents, strict=True):
        write_whole(output / file, data)
        click.echo(output / file)


def _say(name: str, seed: int, budget: int, done: int, best: float) -> None:
    click.echo(f"{name}, seed {seed}: {best:.4g} after {done} of {budget}", err=True)
