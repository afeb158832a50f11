"""`atelier bulk`: folders of images."""

import asyncio
import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import click

from atelier._async_client import AsyncClient
from atelier._bulk.bulk import MAX_IN_FLIGHT, Bulk, BulkUsageError, Summary, inputs_for
from atelier._bulk.run import OutputError
from atelier._bulk.tally import Tally
from atelier._bulk.task import Task
from atelier._bulk.tasks import Classify, Generate, Reconstruct, Stylize
from atelier._cli.bulk_progress import shown
from atelier._cli.command import Group
from atelier._cli.options import server_options, style_option
from atelier._errors import AtelierError, InvalidRequest
from atelier._generator import MAX_SEED, MAX_TRUNCATION
from atelier._images import ImageFormat

Command = TypeVar("Command", bound=Callable[..., Any])

_SOME_FAILED = 1
_USAGE = 2
_GAVE_UP = 3
_INTERRUPTED = 130

_EPILOG = """\
IN is a folder (with the folders in it), a glob in quotes, a file that lists paths, - for such a
list on standard input, a .tar, the shards of a WebDataset ('shard-{000..012}.tar') or a URL for
fsspec.

The run may be stopped or killed at any time; the same command goes on where it was. What failed is
in errors.jsonl, the counts are in summary.json: in OUT/_atelier, or in OUT._atelier where OUT is a
file.

Exit codes: 0 all done; 1 some failed, or OUT cannot be written any more; 2 wrong usage, nothing was
done; 3 gave up on the server; 130 interrupted.
"""


@click.group(cls=Group, epilog=_EPILOG)
def bulk() -> None:
    """Very many images: folders, lists, archives and buckets."""


def bulk_options(command: Command) -> Command:
    """Adds what all bulk commands have in common."""
    options = [
        click.option(
            "--wait", type=click.FloatRange(min=0), default=300.0, metavar="SECONDS",
            show_default=True,
            help="How long to wait for a server that restarts or has too much to do.",
        ),
        click.option("--force", is_flag=True, help="Compute what is finished, too."),
        click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing."),
        click.option(
            "--state", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER",
            help="Where to keep the record of what is finished, in place of OUT/_atelier.",
        ),
    ]  # fmt: skip
    command = server_options(command)
    for option in reversed(options):
        command = option(command)
    return command


@bulk.command(epilog=_EPILOG)
@click.argument("source", metavar="IN")
@click.argument("out", metavar="OUT")
@style_option
@click.option(
    "--strength",
    type=click.FloatRange(0, 2),
    default=1.0,
    metavar="NUMBER",
    show_default=True,
    help="0 is the image, 1 the style, 2 as far again beyond it.",
)
@click.option("--keep-colors", is_flag=True, help="Keep the image's colours.")
@click.option(
    "--longest-side",
    type=click.IntRange(min=16),
    metavar="PIXELS",
    help="Paint at this size; the result has the image's own.",
)
@click.option(
    "--format",
    "encoding",
    type=click.Choice(["jpeg", "png", "webp"]),
    help="Of the results. Without it: each image's own.",
)
@click.option("--quality", type=click.IntRange(1, 100), help="For JPEG and WebP.")
@bulk_options
def stylize(
    source: str, out: str, style: str, strength: float, keep_colors: bool,
    longest_side: int | None, encoding: ImageFormat | None, quality: int | None, **run: Any,
) -> int:  # fmt: skip
    """Repaint the images of IN into OUT: a folder that mirrors IN, a .tar, or a URL.

    A result has the name of its image; where its format is another one, its suffix comes after it.
    """
    task = Stylize(style, strength, keep_colors, longest_side, encoding, quality)
    return _run(task, source, out, **run)


@bulk.command(epilog=_EPILOG)
@click.argument("source", metavar="IN")
@click.argument("out", metavar="TABLE")
@click.option(
    "--top",
    type=click.IntRange(min=1),
    default=3,
    metavar="NUMBER",
    show_default=True,
    help="How many movements to note of each image.",
)
@bulk_options
def classify(source: str, out: str, top: int, **run: Any) -> int:
    """Note the movement and era of the images of IN in TABLE: .csv, .jsonl or .parquet.

    A CSV has the most probable movement and era of each image; the others have `--top` movements.
    """
    return _run(Classify(top), source, out, **run)


@bulk.command(epilog=_EPILOG)
@click.argument("source", metavar="IN")
@click.argument("out", metavar="OUT")
@bulk_options
def reconstruct(source: str, out: str, **run: Any) -> int:
    """Encode the images of IN and decode them again, as PNG, into OUT."""
    return _run(Reconstruct(), source, out, **run)


@bulk.command(epilog=_EPILOG)
@click.argument("out", metavar="OUT")
@click.option(
    "--count", type=click.IntRange(min=1), required=True, metavar="NUMBER", help="How many images."
)
@click.option(
    "--seed",
    type=click.IntRange(0, MAX_SEED),
    default=0,
    show_default=True,
    metavar="NUMBER",
    help="Of the first image; each next one has the next seed.",
)
@click.option(
    "--movement",
    metavar="NAME",
    help="One that `atelier movements` lists. Without it: every image has its own.",
)
@click.option(
    "--truncation",
    type=click.FloatRange(0, MAX_TRUNCATION, min_open=True),
    metavar="NUMBER",
    help="Less gives more typical images.",
)
@bulk_options
def generate(
    out: str, count: int, seed: int, movement: str | None, truncation: float | None, **run: Any
) -> int:
    """Paint new images into OUT, each named by its seed."""
    return _run(Generate(movement, truncation), range(seed, seed + count), out, **run)


def _run(
    task: Task, source: str | range, out: str, *, url: str, timeout: float, wait: float,
    force: bool, dry_run: bool, state: Path | None,
) -> int:  # fmt: skip
    async def run() -> Summary | Tally:
        inputs = inputs_for(source, out)
        async with AsyncClient(url, timeout=timeout, retries=0, max_in_flight=MAX_IN_FLIGHT) as art:
            made = Bulk(art, task, inputs, out, wait, force, state)
            if dry_run:
                return await made.dry_run()
            with _stopped_by_ctrl_c(made), shown(made.tally):
                return await made.run()

    try:
        found = asyncio.run(run())
    except asyncio.CancelledError:
        click.echo("Interrupted. The same command goes on where this run was.", err=True)
        return _INTERRUPTED
    except BulkUsageError as error:
        raise click.UsageError(str(error)) from error
    except InvalidRequest as error:
        raise click.UsageError(f"the server refuses this: {error}") from error
    except AtelierError as error:
        click.echo(f"Error: {error}\nThe same command goes on where this run was.", err=True)
        return _GAVE_UP
    except OutputError as error:
        click.echo(
            f"Error: {out} cannot be written any more: {error}\nWhat is there is whole; once that "
            "is mended, the same command goes on where this run was.",
            err=True,
        )
        return _SOME_FAILED
    if isinstance(found, Tally):
        click.echo(
            f"would compute {found.computed}, copy {found.copied} of the same content, skip "
            f"{found.skipped} that are finished; {found.failed} cannot be read"
        )
        return _SOME_FAILED if found.failed else 0
    return _reported(found)


def _reported(summary: Summary) -> int:
    click.echo(json.dumps(asdict(summary)))
    if summary.interrupted:
        click.echo("Interrupted. The same command goes on where this run was.", err=True)
        return _INTERRUPTED
    if not summary.seen:
        raise click.UsageError("there are no images in IN")
    if summary.failed:
        click.echo(f"{summary.failed} failed; their names and reasons: {summary.errors}", err=True)
    return _SOME_FAILED if summary.failed else 0


@contextmanager
def _stopped_by_ctrl_c(made: Bulk) -> Iterator[None]:
    """Has the first Ctrl-C end the run with what is in flight, and the second one at once."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None

    def stop() -> None:
        if made.stopping.is_set():
            task.cancel()
            return
        made.stopping.set()
        click.echo("Finishing what is in flight; Ctrl-C again ends it at once.", err=True)

    loop.add_signal_handler(signal.SIGINT, stop)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)
