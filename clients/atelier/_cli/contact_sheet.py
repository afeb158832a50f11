"""Many images on one sheet, in a grid with or without names."""

import math
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont, ImageOps

_CELL = (256, 192)
_GAP = 12
_LABEL_HEIGHT = 28
_LABEL_WIDTH = 110
_CAPTION_HEIGHT = 18
_FONT_SIZES = (15, 13, 11, 9)
_PAPER = "#fbfaf7"
_INK = "#222222"
_MOST_BESIDE_THE_FIRST = 7
"""Makes a sheet of at most 2,266 pixels across, on which strokes can still be seen."""


def contact_sheet(
    columns: Sequence[str], rows: Sequence[tuple[str, Sequence[Image.Image]]]
) -> Image.Image:
    """Lays images out in a grid.

    Where there are too many columns for the width of a screen, they go on below, in bands of
    nearly the same width, each with the first column again.

    Args:
        columns: The name above each column.
        rows: The name beside each row, with one image for each column; images of any size.

    Returns:
        The sheet, in mode RGB.
    """
    bands = _bands(len(columns))
    step_x, step_y = _CELL[0] + _GAP, _CELL[1] + _GAP
    band_height = _LABEL_HEIGHT + step_y * len(rows) + _GAP
    width = _LABEL_WIDTH + step_x * max(map(len, bands)) + _GAP
    sheet = Image.new("RGB", (width, band_height * len(bands)), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, band in enumerate(bands):
        top = band_height * number
        for place, column in enumerate(band):
            left = _LABEL_WIDTH + step_x * place
            middle = left + _CELL[0] / 2, top + _LABEL_HEIGHT / 2
            draw.text(middle, columns[column], _INK, _font(columns[column]), anchor="mm")
            for row, (_, images) in enumerate(rows):
                _paste(sheet, images[column], left, top + _LABEL_HEIGHT + step_y * row)
        for row, (name, _) in enumerate(rows):
            beside = _LABEL_WIDTH - _GAP, top + _LABEL_HEIGHT + step_y * row + _CELL[1] / 2
            draw.text(beside, name, _INK, _font(name, _LABEL_WIDTH - _GAP), anchor="rm")
    return sheet


def grid(images: Sequence[Image.Image]) -> Image.Image:
    """Images of one size, as they are, row by row in a nearly square grid without names."""
    columns = math.ceil(math.sqrt(len(images)))
    rows = math.ceil(len(images) / columns)
    step_x, step_y = images[0].width + _GAP, images[0].height + _GAP
    sheet = Image.new("RGB", (columns * step_x - _GAP, rows * step_y - _GAP), _PAPER)
    for number, image in enumerate(images):
        row, column = divmod(number, columns)
        sheet.paste(image, (step_x * column, step_y * row))
    return sheet


def captioned(image: Image.Image, lines: Sequence[str]) -> Image.Image:
    """An image of any size with lines of text beneath it, in the size of a sheet's cell."""
    cell = Image.new("RGB", _CELL, _PAPER)
    height = _CELL[1] - _CAPTION_HEIGHT * len(lines)
    small = ImageOps.contain(image, (_CELL[0], height), Image.Resampling.LANCZOS)
    cell.paste(small, ((_CELL[0] - small.width) // 2, (height - small.height) // 2))
    draw = ImageDraw.Draw(cell)
    for number, line in enumerate(lines):
        middle = _CELL[0] / 2, height + _CAPTION_HEIGHT * (number + 0.5)
        draw.text(middle, line, _INK, _font(line), anchor="mm")
    return cell


def _bands(columns: int) -> list[list[int]]:
    beside = range(1, columns)
    count = max(1, math.ceil(len(beside) / _MOST_BESIDE_THE_FIRST))
    length = math.ceil(len(beside) / count)
    return [[0, *beside[length * band : length * (band + 1)]] for band in range(count)]


def _paste(sheet: Image.Image, image: Image.Image, left: int, top: int) -> None:
    small = ImageOps.contain(image, _CELL, Image.Resampling.LANCZOS)
    place = left + (_CELL[0] - small.width) // 2, top + (_CELL[1] - small.height) // 2
    sheet.paste(small, place)


def _font(text: str, width: int = _CELL[0]) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The largest font in which the text is no wider than `width`, by default that of a cell."""
    fonts = [ImageFont.load_default(size) for size in _FONT_SIZES]
    return next((font for font in fonts if font.getlength(text) <= width), fonts[-1])
