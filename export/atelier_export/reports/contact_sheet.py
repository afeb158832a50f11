"""Contact sheets: images in labelled columns, to judge a training by eye."""

from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

_GAP = 8
_HEADING = 22


@dataclass(frozen=True)
class Column:
    """A column of a contact sheet: a heading and one image per row."""

    heading: str
    images: list[Image.Image]


def contact_sheet(columns: list[Column]) -> Image.Image:
    """Lays images of one size out in labelled columns, on white.

    Raises:
        ValueError: The columns differ in length, or the images in size.
    """
    sizes = {image.size for column in columns for image in column.images}
    rows = {len(column.images) for column in columns}
    if len(sizes) != 1 or len(rows) != 1:
        raise ValueError(f"a sheet needs equal images and columns, not {sizes} and {rows} rows")
    (width, height), row_count = sizes.pop(), rows.pop()
    sheet = Image.new(
        "RGB",
        (len(columns) * (width + _GAP) + _GAP, _HEADING + row_count * (height + _GAP) + _GAP),
        "white",
    )
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(15)
    for number, column in enumerate(columns):
        left = _GAP + number * (width + _GAP)
        draw.text((left, 4), column.heading, "black", font)
        for row, image in enumerate(column.images):
            sheet.paste(image, (left, _HEADING + row * (height + _GAP)))
    return sheet
