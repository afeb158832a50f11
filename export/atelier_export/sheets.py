"""Contact sheets and curves: what a person looks at to judge a training."""

from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

_GAP = 8
_LABEL = 22


@dataclass(frozen=True)
class Column:
    """A column of a contact sheet: a heading and one picture a row."""

    heading: str
    pictures: list[Image.Image]


def contact_sheet(columns: list[Column]) -> Image.Image:
    """Lays pictures of one size out in labelled columns, on white.

    Raises:
        ValueError: The columns are not equally long, or the pictures not equally large.
    """
    sizes = {picture.size for column in columns for picture in column.pictures}
    rows = {len(column.pictures) for column in columns}
    if len(sizes) != 1 or len(rows) != 1:
        raise ValueError(f"a sheet needs equal pictures and columns, not {sizes} and {rows} rows")
    (width, height), row_count = sizes.pop(), rows.pop()
    sheet = Image.new(
        "RGB",
        (len(columns) * (width + _GAP) + _GAP, _LABEL + row_count * (height + _GAP) + _GAP),
        "white",
    )
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(15)
    for place, column in enumerate(columns):
        left = _GAP + place * (width + _GAP)
        draw.text((left, 4), column.heading, "black", font)
        for row, picture in enumerate(column.pictures):
            sheet.paste(picture, (left, _LABEL + row * (height + _GAP)))
    return sheet


def plot_losses(history: list[dict[str, float]], path: Path) -> None:
    """Draws each term of the loss over the steps, logarithmically.

    Args:
        history: One entry a logged step: `step` and the terms, as means since the entry before.
        path: The picture to write; the suffix chooses the format.
    """
    # Figure in place of pyplot: no global state and no display.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    steps = [entry["step"] for entry in history]
    for term in (name for name in history[0] if name != "step"):
        axes.plot(steps, [entry[term] for entry in history], label=term, linewidth=1)
    axes.set(xlabel="step", ylabel="distance", yscale="log")
    axes.grid(alpha=0.3, which="both")
    axes.legend()
    figure.savefig(path, dpi=120)
