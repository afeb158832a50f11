"""The command `atelier paint`."""

import signal
import sys
from types import FrameType

from atelier_export.gatys.optimisation import PaintSettings
from atelier_export.gatys.painting import PaintFiles, PaintRun, paint_files


def paint(files: PaintFiles, settings: PaintSettings, run: PaintRun) -> str:
    """Repaint PHOTOGRAPH in the style of PAINTING, slowly: by optimisation of the pixels.

    Trains no network and needs no server. Every few iterations it saves the image and, as OUT's
    name with .json, the loss of each iteration, so an interrupted run keeps its progress.
    """
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        paint_files(files, settings, run)
    finally:
        signal.signal(signal.SIGTERM, before)
    return str(files.output)


def _terminate(number: int, _frame: FrameType | None) -> None:
    # An exception, so that the current image is saved. 128 + signal number, as shells report it.
    sys.exit(128 + number)
