"""`atelier demo`."""

import importlib.util
import signal
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from types import FrameType

import click
from PIL import Image
from rich.console import Console
from rich.table import Table

from atelier._cli.contact_sheet import contact_sheet
from atelier._cli.files import write_whole
from atelier._cli.options import checked_url
from atelier._cli.served import own_server
from atelier._cli.stylize import style_slug
from atelier._cli.timings import Stopwatch, Timing
from atelier._client import Client
from atelier._images import decoded_image

_PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")
_WIDTH_OF_FILES = 110


@click.command
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
    callback=checked_url,
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
    """Repaint four photographs in every style.

    Prints where the paintings lie and where the time of each request went.
    """
    photos = _sample_photos()
    if url is None and not model_repository.is_dir():
        raise click.UsageError(
            f"there is no model repository {str(model_repository)!r}: run this in a clone of the "
            "project, or give --model-repository or --url"
        )
    output.mkdir(parents=True, exist_ok=True)
    console = Console()
    if not console.is_terminal:
        console.width = _WIDTH_OF_FILES
    if url is None:
        console.print("Starting the server …")
    log = output / "server.log"
    with _ended_by_signals(), nullcontext(url) if url else own_server(model_repository, log) as at:
        console.print(f"The server at {at} is ready.")
        with Client(at, timeout=60) as art:
            _paint(art, photos, output, console)


def _paint(art: Client, photos: list[Path], output: Path, console: Console) -> None:
    names = art.styles()
    styles = [*names, _even_mix(names)] if len(names) > 1 else names
    stopwatch = Stopwatch(art)
    table = _timing_table()
    rows = []
    for photo in photos:
        pictures = [decoded_image(photo.read_bytes())]
        for style in styles:
            request = partial(art.stylize_encoded, photo, style, format="jpeg")
            painting, timing = stopwatch.time(request)
            path = output / f"{photo.stem}-{style_slug(style)}.jpg"
            write_whole(path, painting)
            console.print(f"{photo.name} in {style}: {path}", highlight=False, soft_wrap=True)
            pictures.append(decoded_image(painting))
            table.add_row(photo.stem, _size(pictures[-1]), style, *_cells(timing))
        rows.append((photo.stem, pictures))
    sheet = output / "contact_sheet.jpg"
    contact_sheet(["photograph", *styles], rows).save(sheet, quality=90)
    console.print(table)
    count = len(photos) * len(styles)
    console.print(f"{count} paintings lie in {output}/", highlight=False, soft_wrap=True)
    console.print(f"All of them on one sheet: {sheet}", highlight=False, soft_wrap=True)


def _sample_photos() -> list[Path]:
    scikit_image = importlib.util.find_spec("skimage")
    if scikit_image is None or scikit_image.origin is None:
        raise click.ClickException(
            'the photographs are those of scikit-image: pip install "atelier[samples]"'
        )
    data = Path(scikit_image.origin).parent / "data"
    return [data / name for name in _PHOTOS]


def _even_mix(names: list[str]) -> str:
    chosen = [names[0], names[-1]]
    return ",".join(f"{name}:0.5" for name in chosen)


def _timing_table() -> Table:
    table = Table(
        title="Milliseconds of each request",
        caption="network: the style network. pictures: decoding, reading the style, encoding. "
        "rest: the client, the way there and back, handing on between the steps.",
    )
    for heading in ("photograph", "size", "style"):
        table.add_column(heading, overflow="fold")
    for heading in ("total", "queue", "network", "pictures", "rest"):
        table.add_column(heading, justify="right")
    return table


def _cells(timing: Timing | None) -> list[str]:
    if timing is None:
        return ["?"] * 5
    parts = (timing.total, timing.queue, timing.network, timing.pictures, timing.rest)
    return [f"{part:.1f}" for part in parts]


def _size(picture: Image.Image) -> str:
    return f"{picture.width}×{picture.height}"


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Lets SIGTERM and SIGHUP end the block as an exception would, so that no server is left."""

    def end(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
