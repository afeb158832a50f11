"""Many pictures on one sheet, with a name for each row and column."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont, ImageOps

_CELL = (256, 192)
_GAP = 12
_LABEL_HEIGHT = 28
_LABEL_WIDTH = 110
_PAPER = "#fbfaf7"
_INK = "#222222"


def contact_sheet(
    columns: Sequence[str], rows: Sequence[tuple[str, Sequence[Image.Image]]]
) -> Image.Image:
    """Lays pictures out in a grid.

    Args:
        columns: The name above each column.
        rows: The name beside each row, with one picture for each column; pictures of any size.

    Returns:
        The sheet, in mode RGB.
    """
    step_x, step_y = _CELL[0] + _GAP, _CELL[1] + _GAP
    size = (
        _LABEL_WIDTH + step_x * len(columns) + _GAP,
        _LABEL_HEIGHT + step_y * len(rows) + _GAP,
    )
    sheet = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(15)
    for column, name in enumerate(columns):
        middle = _LABEL_WIDTH + step_x * column + _CELL[0] / 2
        draw.text((middle, _LABEL_HEIGHT / 2), name, _INK, font, anchor="mm")
    for row, (name, pictures) in enumerate(rows):
        top = _LABEL_HEIGHT + step_y * row
        draw.text((_LABEL_WIDTH - _GAP, top + _CELL[1] / 2), name, _INK, font, anchor="rm")
        for column, picture in enumerate(pictures):
            small = ImageOps.contain(picture, _CELL, Image.Resampling.LANCZOS)
            left = _LABEL_WIDTH + step_x * column + (_CELL[0] - small.width) // 2
            sheet.paste(small, (left, top + (_CELL[1] - small.height) // 2))
    return sheet
