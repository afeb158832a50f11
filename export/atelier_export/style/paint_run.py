"""One painting, from files to files, saved on the way."""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from PIL import Image
from torch import Tensor

from atelier_export.device import usable_device
from atelier_export.losses import PerceptualLoss
from atelier_export.manifest import sha256
from atelier_export.pictures import inner, read_upright, resize_short_side, to_image, to_tensor
from atelier_export.replacing import replacing
from atelier_export.sheets import plot_losses
from atelier_export.style.luminance import luminance, match_luminance, with_luminance
from atelier_export.style.paint import CurvePoint, PaintSettings, paint
from atelier_export.vgg import VGG19

_log = logging.getLogger(__name__)

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
"""Formats of the result by the file's suffix."""
_SMALLEST_SIDE = 16
# Pixels painted around the picture and cut off: the loss network pads with zeros, and a rim of
# some three pixels shows it.
_MARGIN = 8
_QUALITY = 95


@dataclass(frozen=True)
class PaintRun:
    """What surrounds the optimisation.

    Attributes:
        side: Longer side of the result in pixels; a smaller photograph keeps its size.
        style_side: Shorter side of the painting in pixels: the scale of the strokes.
        keep_colors: Take over the painting's luminance alone, see `luminance`.
        save_every: Iterations from one saved picture and report to the next.
        plot: Draw the curve too.
    """

    side: int = 512
    style_side: int = 384
    keep_colors: bool = False
    save_every: int = 10
    plot: bool = False


def paint_files(
    photo: Path,
    painting: Path,
    vgg: Path,
    output: Path,
    settings: PaintSettings,
    run: PaintRun | None = None,
    device: str = "cpu",
) -> CurvePoint:
    """Paints a photograph in the style of a painting.

    Writes the picture, beside it the curve as JSON, and on request its drawing as PNG: at the
    start, every few iterations, in the end, and when an exception such as KeyboardInterrupt comes
    between. Each file is written whole or not at all. The loss is that of the picture with a
    small margin, which is painted and cut off.

    Args:
        photo: Any picture that Pillow reads.
        painting: Likewise.
        vgg: Weights of the loss network, see `VGG19.load`.
        output: Where the picture goes; the suffix chooses the format, one of `FORMATS`.
        settings: How to paint.
        run: What surrounds it.
        device: A torch device.

    Returns:
        The last point of the curve.

    Raises:
        OSError: A file cannot be read or written.
        ValueError: An input or the device cannot be used.
    """
    place = usable_device(device)
    run = run or PaintRun()
    if output.suffix.lower() not in FORMATS:
        raise ValueError(f"{output}: the suffix must be one of {', '.join(FORMATS)}")
    if output.exists() and any(output.samefile(source) for source in (photo, painting, vgg)):
        raise ValueError(f"{output} is one of the inputs; choose another file for the result")
    if not output.parent.is_dir():
        raise ValueError(f"{output}: there is no folder {str(output.parent)!r}")
    original = to_tensor(fit(read_upright(photo), run.side)).to(place)
    example = to_tensor(resize_short_side(read_upright(painting), run.style_side)).to(place)
    photograph: Tensor = F.pad(original, [_MARGIN] * 4, mode="reflect")
    finish = partial(inner, margin=_MARGIN)
    if run.keep_colors:
        photograph, example = luminance(photograph), match_luminance(example, original)
        finish = partial(_in_colors, original)
    network = VGG19.load(vgg).to(place, memory_format=torch.channels_last)  # type: ignore[call-overload]
    perceptual_loss = PerceptualLoss(network, [example])
    recorder = _Recorder(output, run, {
        "photograph": {"file": photo.name, "sha256": sha256(photo.read_bytes())},
        "painting": {"file": painting.name, "sha256": sha256(painting.read_bytes())},
        "vgg": {"file": vgg.name, "sha256": sha256(vgg.read_bytes())},
        **asdict(settings),
        **asdict(run),
    }, finish)  # fmt: skip
    height, width = original.shape[1:]
    _log.info("%s in the style of %s, %d×%d pixels", photo.name, painting.name, width, height)
    try:
        for point, picture in paint(perceptual_loss, photograph, 0, settings):
            recorder.add(point, picture)
    finally:
        recorder.save()
    if recorder.curve[-1].iteration < settings.iterations:
        _log.info("nothing better was found after iteration %d", recorder.curve[-1].iteration)
    return recorder.curve[-1]


def fit(image: Image.Image, side: int) -> Image.Image:
    """The picture with a longer side of at most `side` and a shorter one of at least 16 pixels."""
    scale = min(1.0, side / max(image.size))
    width, height = (max(_SMALLEST_SIDE, round(length * scale)) for length in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS)


def _in_colors(photograph: Tensor, painted: Tensor) -> Tensor:
    return with_luminance(photograph, inner(painted, _MARGIN))


class _Recorder:
    """The curve so far and the newest picture; reports them and puts them on disk."""

    def __init__(
        self,
        output: Path,
        run: PaintRun,
        settings: dict[str, Any],
        finish: Callable[[Tensor], Tensor],
    ) -> None:
        self.curve: list[CurvePoint] = []
        self._output = output
        self._run = run
        self._settings = settings
        self._finish = finish
        self._unsaved: Tensor | None = None
        self._started = time.monotonic()

    def add(self, point: CurvePoint, picture: Tensor) -> None:
        self.curve.append(point)
        self._unsaved = picture
        if point.iteration % self._run.save_every == 0:
            self.save()
            self._report(point)

    def save(self) -> None:
        if self._unsaved is None:
            return
        image = to_image(self._finish(self._unsaved))
        with replacing(self._output) as file:
            image.save(file, FORMATS[file.suffix.lower()], quality=_QUALITY)
        record = {"settings": self._settings, "curve": [asdict(point) for point in self.curve]}
        with replacing(self._output.with_suffix(".json")) as file:
            text = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
            file.write_text(text, encoding="utf-8")
        if self._run.plot:
            with replacing(self._output.with_suffix(".curve.png")) as file:
                plot_losses([_plotted(point) for point in self.curve], file)
        self._unsaved = None

    def _report(self, point: CurvePoint) -> None:
        iterations = self._settings["iterations"]
        pace = (time.monotonic() - self._started) / max(1, point.iteration)
        minutes, seconds = divmod(round(pace * (iterations - point.iteration)), 60)
        _log.info(
            "iteration %d/%d  content %.3f  style %.4f  variation %.3f  loss %.4f  "
            "%.2f s/iteration, %d:%02d left",
            point.iteration, iterations, point.content, point.style, point.variation, point.loss,
            pace, minutes, seconds,
        )  # fmt: skip


def _plotted(point: CurvePoint) -> dict[str, float]:
    values = asdict(point)
    del values["evaluations"]
    return {"step": values.pop("iteration"), **values}
