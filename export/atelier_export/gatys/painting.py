"""The optimisation from files to files, with the image and its loss curve saved as it runs."""

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

from atelier_export.data.images import inner, read_upright, resize_short_side, to_image, to_tensor
from atelier_export.files.atomic_write import atomic_write
from atelier_export.gatys.luminance import luminance, match_luminance, with_luminance
from atelier_export.gatys.optimisation import CurvePoint, PaintSettings, paint
from atelier_export.losses.perceptual import PerceptualLoss
from atelier_export.losses.vgg import VGG19, VGG_SETTING
from atelier_export.publishing.manifest import sha256
from atelier_export.reports.loss_curves import plot_losses
from atelier_export.settings import Settings, setting
from atelier_export.training.device import usable_device

_log = logging.getLogger(__name__)

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
"""Formats of the result by the file's suffix."""
_MIN_SIDE = 16
# Pixels painted around the image and cut off: the loss network pads with zeros, which shows in a
# border of some three pixels.
_MARGIN = 8
_QUALITY = 95


@dataclass(frozen=True)
class PaintFiles(Settings):
    """Input and output files.

    Attributes:
        photograph: Any image that Pillow reads.
        painting: The style image, in the same formats.
        output: The image to write; the suffix chooses the format, one of `FORMATS`.
        vgg: Weights of the loss network, see `VGG19.load`.
    """

    photograph: Path = setting(help="The image to repaint.", path="file", positional=True)
    painting: Path = setting(help="The style image.", path="file", positional=True)
    output: Path = setting(
        help="The image to write; its suffix (.png, .jpg, .webp) chooses the format.",
        path="new_file", metavar="OUT", short="-o",
    )  # fmt: skip
    vgg: Path = setting(**VGG_SETTING)


@dataclass(frozen=True)
class PaintRun(Settings):
    """How a painting is made beyond the optimisation: sizes, colours, reports, device.

    Attributes:
        side: Longer side of the result in pixels; a smaller photograph keeps its size.
        style_side: Shorter side of the painting in pixels: the scale of the strokes.
        keep_colors: Transfer the style in the luminance alone, see `luminance`.
        save_every: Iterations between saved images and log lines.
        plot: Also draw the curve.
        device: A torch device.
    """

    side: int = setting(
        512, "Longer side of the result in pixels; a smaller photograph keeps its size.",
        minimum=16,
    )  # fmt: skip
    style_side: int = setting(
        384, "Shorter side of the painting in pixels: the scale of the strokes.", minimum=16
    )
    keep_colors: bool = setting(False, "Keep the photograph's colours; transfer luminance alone.")
    save_every: int = setting(10, "Iterations between saved images and log lines.", minimum=1)
    plot: bool = setting(False, "Also draw the loss curve, as OUT's name with .curve.png.")
    device: str = setting("cpu", "A torch device: cpu, cuda.")


def paint_files(
    files: PaintFiles, settings: PaintSettings, run: PaintRun | None = None
) -> CurvePoint:
    """Paints a photograph in the style of a painting.

    Writes the image, beside it the curve as JSON and, with `plot`, as PNG: at the start, every
    `save_every` iterations, at the end, and on an exception such as KeyboardInterrupt. Each file is
    written atomically. The loss is that of the image with a small margin, which is painted and cut
    off.

    Args:
        files: Input and output files.
        settings: How to paint.
        run: Sizes, colours, reports and device.

    Returns:
        The last point of the curve.

    Raises:
        OSError: A file cannot be read or written.
        ValueError: An input or the device cannot be used.
    """
    run = run or PaintRun()
    output = files.output
    inputs = {"photograph": files.photograph, "painting": files.painting, "vgg": files.vgg}

    # Check what would fail after minutes
    device = usable_device(run.device)
    if output.suffix.lower() not in FORMATS:
        raise ValueError(f"{output}: the suffix must be one of {', '.join(FORMATS)}")
    if output.exists() and any(output.samefile(file) for file in inputs.values()):
        raise ValueError(f"{output} is one of the inputs; choose another file for the result")
    if not output.parent.is_dir():
        raise ValueError(f"{output}: there is no folder {str(output.parent)!r}")

    # Read the images
    photograph = to_tensor(fit(read_upright(files.photograph), run.side)).to(device)
    painting = to_tensor(resize_short_side(read_upright(files.painting), run.style_side)).to(device)
    height, width = photograph.shape[1:]
    padded: Tensor = F.pad(photograph, [_MARGIN] * 4, mode="reflect")
    finish = partial(inner, margin=_MARGIN)
    if run.keep_colors:
        padded, painting = luminance(padded), match_luminance(painting, photograph)
        finish = partial(_with_colors_of, photograph)

    # Paint
    vgg = VGG19.load(files.vgg).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    perceptual_loss = PerceptualLoss(vgg, [painting])
    recorder = _Recorder(output, run, {
        **{name: {"file": file.name, "sha256": sha256(file.read_bytes())}
           for name, file in inputs.items()},
        **asdict(settings),
        **{name: value for name, value in asdict(run).items() if name != "device"},
    }, finish)  # fmt: skip
    _log.info(
        "%s in the style of %s, %d×%d pixels",
        files.photograph.name, files.painting.name, width, height,
    )  # fmt: skip
    try:
        for point, image in paint(perceptual_loss, padded, 0, settings):
            recorder.add(point, image)
    finally:
        recorder.save()
    if recorder.curve[-1].iteration < settings.iterations:
        _log.info("no lower loss was found after iteration %d", recorder.curve[-1].iteration)
    return recorder.curve[-1]


def fit(image: Image.Image, side: int) -> Image.Image:
    """The image with a longer side of at most `side` and a shorter one of at least 16 pixels."""
    scale = min(1.0, side / max(image.size))
    width, height = (max(_MIN_SIDE, round(length * scale)) for length in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS)


def _with_colors_of(photograph: Tensor, painted: Tensor) -> Tensor:
    return with_luminance(photograph, inner(painted, _MARGIN))


class _Recorder:
    """Keeps the curve and the newest image, logs them and saves them."""

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

    def add(self, point: CurvePoint, image: Tensor) -> None:
        self.curve.append(point)
        self._unsaved = image
        if point.iteration % self._run.save_every == 0:
            self.save()
            self._report(point)

    def save(self) -> None:
        if self._unsaved is None:
            return
        image = to_image(self._finish(self._unsaved))
        with atomic_write(self._output) as file:
            image.save(file, FORMATS[file.suffix.lower()], quality=_QUALITY)
        record = {"settings": self._settings, "curve": [asdict(point) for point in self.curve]}
        with atomic_write(self._output.with_suffix(".json")) as file:
            text = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
            file.write_text(text, encoding="utf-8")
        if self._run.plot:
            with atomic_write(self._output.with_suffix(".curve.png")) as file:
                plot_losses([_plotted(point) for point in self.curve], file)
        self._unsaved = None

    def _report(self, point: CurvePoint) -> None:
        iterations = self._settings["iterations"]
        seconds_each = (time.monotonic() - self._started) / max(1, point.iteration)
        minutes, seconds = divmod(round(seconds_each * (iterations - point.iteration)), 60)
        _log.info(
            "iteration %d/%d  content %.3f  style %.4f  variation %.3f  loss %.4f  "
            "%.2f s/iteration, %d:%02d left",
            point.iteration, iterations, point.content, point.style, point.variation, point.loss,
            seconds_each, minutes, seconds,
        )  # fmt: skip


def _plotted(point: CurvePoint) -> dict[str, float]:
    values = asdict(point)
    del values["evaluations"]
    return {"step": values.pop("iteration"), **values}
