"""`atelier demo`."""

import importlib.util
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from types import FrameType

import click
import grpc
from PIL import Image
from rich.console import Console
from rich.table import Table

from atelier._atomic_write import write_whole
from atelier._channel import targets_of
from atelier._cli.command import Command
from atelier._cli.console import wide_console
from atelier._cli.contact_sheet import captioned, contact_sheet
from atelier._cli.demo_autoencoder import mended_sheet, save_morph
from atelier._cli.demo_generator import generated_sheet
from atelier._cli.options import checked_by
from atelier._cli.served import own_server
from atelier._cli.stylize import style_slug
from atelier._cli.timings import Stopwatch, Timing
from atelier._client import Client
from atelier._errors import InvalidRequest
from atelier._extras import pip_install
from atelier._images import decoded_image

_PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")


@dataclass(frozen=True)
class _Wish:
    """What is asked for of each photograph."""

    style: str
    keep_colors: bool = False

    @property
    def name(self) -> str:
        return f"{self.style}, own colors" if self.keep_colors else self.style

    @property
    def slug(self) -> str:
        return style_slug(self.style) + ("-own_colors" if self.keep_colors else "")


@click.command(cls=Command)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("out/demo"),
    show_default=True,
    help="The directory for the paintings.",
)
@click.option(
    "--url",
    metavar="HOST:PORT",
    envvar="ATELIER_URL",
    show_envvar=True,
    callback=checked_by(targets_of),
    help="The gRPC port of a running server. Without it, one is started and stopped again.",
)
@click.option(
    "--model-repository",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("model_repository"),
    show_default=True,
    help="What the started server serves.",
)
def demo(output: Path, url: str | None, model_repository: Path) -> None:
    """Repaint four photographs in every style, in a mix, and with their own colours.

    Prints where the paintings lie and where the time of a request goes. Where the server has a
    classifier, all of them are classified too; where it has an autoencoder, the photographs are
    rebuilt, mended and turned into one another; where it has a generator, new paintings are made.
    """
    photos = _sample_photos()
    if url is None and not model_repository.is_dir():
        raise click.UsageError(
            f"there is no model repository {str(model_repository)!r}: run this in a clone of the "
            "project, or give --model-repository or --url"
        )
    output.mkdir(parents=True, exist_ok=True)
    console = wide_console()
    if url is None:
        console.print("Starting the server …")
    log = output / "server.log"
    with _ended_by_signals(), nullcontext(url) if url else own_server(model_repository, log) as at:
        console.print(f"The server at {at} is ready.")
        # A server of its own asks for nothing, whatever the environment says of others.
        tls, token = (None, None) if url else (False, "")
        with Client(at, timeout=60, tls=tls, token=token) as art:
            _demonstrate(art, photos, output, console)


def _demonstrate(art: Client, photos: list[Path], output: Path, console: Console) -> None:
    wishes = _wishes(art.styles())
    rows = _paint(art, photos, wishes, output, console)
    columns = ["photograph", *(wish.name for wish in wishes)]
    sheet = output / "contact_sheet.jpg"
    _lay_out(columns, rows, _opened).save(sheet, quality=90)
    count = len(photos) * len(wishes)
    console.print(f"{count} paintings lie in {output}/", highlight=False, soft_wrap=True)
    console.print(f"All of them on one sheet: {sheet}", highlight=False, soft_wrap=True)

    sheet = output / "classified.jpg"
    with _if_served("movements", console):
        _lay_out(columns, rows, partial(_classified, art)).save(sheet, quality=90)
        console.print(f"With the movements of each: {sheet}", highlight=False, soft_wrap=True)

    sheet, morph = output / "mended.png", output / "morph.gif"
    images = [(photo.stem, _opened(photo)) for photo in photos]
    with _if_served("mended images", console):
        mended_sheet(art, images).save(sheet)
        save_morph(art, [image for _, image in images], morph)
        console.print(f"Rebuilt, mended, filled: {sheet}", highlight=False, soft_wrap=True)
        console.print(f"Each turns into the next: {morph}", highlight=False, soft_wrap=True)

    sheet = output / "generated.png"
    with _if_served("generated paintings", console):
        generated_sheet(art).save(sheet)
        console.print(f"New paintings: {sheet}", highlight=False, soft_wrap=True)


@contextmanager
def _if_served(what: str, console: Console) -> Iterator[None]:
    """Says that there is none of it where the server lacks a model."""
    try:
        yield
    except InvalidRequest as error:
        if error.code is not grpc.StatusCode.NOT_FOUND:
            raise
        console.print(f"No {what}: the server does not serve {error.model}.", highlight=False)


def _paint(
    art: Client, photos: list[Path], wishes: list[_Wish], output: Path, console: Console
) -> list[list[Path]]:
    """Paints and times everything; gives the files, each photograph before its paintings."""
    stopwatch = Stopwatch(art)
    table = _timing_table()
    rows = []
    for photo in photos:
        console.print(f"Painting {photo.name}, {len(wishes)} times …", highlight=False)
        files, timings = [photo], []
        for wish in wishes:
            request = partial(
                art.stylize_encoded,
                photo,
                wish.style,
                keep_colors=wish.keep_colors,
                format="jpeg",
            )
            painting, timing = stopwatch.time(request)
            file = output / f"{photo.stem}-{wish.slug}.jpg"
            write_whole(file, painting)
            files.append(file)
            timings.append(timing)
        table.add_row(photo.stem, _size(_opened(photo)), *_cells(timings))
        rows.append(files)
    console.print(table)
    return rows


def _lay_out(
    columns: list[str], rows: list[list[Path]], shown: Callable[[Path], Image.Image]
) -> Image.Image:
    return contact_sheet(columns, [(files[0].stem, list(map(shown, files))) for files in rows])


def _opened(file: Path) -> Image.Image:
    return decoded_image(file.read_bytes())


def _classified(art: Client, file: Path) -> Image.Image:
    """The image with its most probable movements beneath it."""
    labels = art.classify(file).movements
    return captioned(_opened(file), [f"{label.name} {label.probability:.0%}" for label in labels])


def _wishes(styles: list[str]) -> list[_Wish]:
    """Every style, then one mix, then one with the photograph's own colours."""
    wishes = [_Wish(style) for style in styles]
    if len(styles) > 1:
        wishes.append(_Wish(f"{styles[0]}:0.5,{styles[-1]}:0.5"))
    return [*wishes, _Wish(styles[0], keep_colors=True)]


def _sample_photos() -> list[Path]:
    scikit_image = importlib.util.find_spec("skimage")
    if scikit_image is None or scikit_image.origin is None:
        raise click.ClickException(
            f"the photographs are those of scikit-image: {pip_install('samples')}"
        )
    data = Path(scikit_image.origin).parent / "data"
    return [data / name for name in _PHOTOS]


def _timing_table() -> Table:
    table = Table(
        title="Milliseconds of a request (median)",
        caption="queue: waiting for the style network. network: computing in it. "
        "rest: decoding, encoding, the client, the way there and back.",
    )
    for heading in ("photograph", "size"):
        table.add_column(heading, overflow="fold")
    for heading in ("total", "queue", "network", "rest"):
        table.add_column(heading, justify="right")
    return table


def _cells(timings: list[Timing | None]) -> list[str]:
    known = [
        (timing.total, timing.queue, timing.network, timing.rest)
        for timing in timings
        if timing is not None
    ]
    if not known:
        return ["?"] * 4
    return [f"{median(parts):.1f}" for parts in zip(*known, strict=True)]


def _size(image: Image.Image) -> str:
    return f"{image.width}×{image.height}"


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Lets SIGTERM and SIGHUP end the block as an exception would, so that no server is left."""

    def end(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    ending = [signal.SIGTERM]
    # nohup has it ignored on purpose.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        ending.append(signal.SIGHUP)
    before = {number: signal.signal(number, end) for number in ending}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
