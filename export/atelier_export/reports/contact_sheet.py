"""Contact sheets: what a person looks at to judge a training."""

from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

_GAP = 8
_LABEL = 22


@dataclass(frozen=True)
class Column:
    """A column of a contact sheet: a heading and one image a row."""

    heading: str
    images: list[Image.Image]


def contact_sheet(columns: list[Column]) -> Image.Image:
    """Lays images of one size out in labelled columns, on white.

    Raises:
        ValueError: The columns are not equally long, or the images not equally large.
    """
    sizes = {image.size for column in columns for image in column.images}
    rows = {len(column.images) for column in columns}
    if len(sizes) != 1 or len(rows) != 1:
        raise ValueError(f"a sheet needs equal images and columns, not {sizes} and {rows} rows")
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
        for row, image in enumerate(column.images):
            sheet.paste(image, (left, _LABEL + row * (height + _GAP)))
    return sheet
