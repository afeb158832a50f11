"""The command `atelier paint`."""

import signal
import sys
from types import FrameType

from atelier_export.gatys.optimisation import PaintSettings
from atelier_export.gatys.painting import PaintFiles, PaintRun, paint_files


def paint(files: PaintFiles, settings: PaintSettings, run: PaintRun) -> str:
    """Repaint PHOTOGRAPH in the style of PAINTING, slowly: by optimisation of the pixels.

    No network is trained and no server asked. The image is saved on the way, and the loss of every
    iteration beside it, as OUT's name with .json; so an interrupted run leaves what it had.
    """
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        paint_files(files, settings, run)
    finally:
        signal.signal(signal.SIGTERM, before)
    return str(files.output)


def _terminate(number: int, _frame: FrameType | None) -> None:
    # An exception, so that the image is saved as it is.
    sys.exit(128 + number)
