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

from atelier_export.data.images import inner, read_upright, resize_short_side, to_image, to_tensor
from atelier_export.files.atomic_write import atomic_write
from atelier_export.gatys.luminance import luminance, match_luminance, with_luminance
from atelier_export.gatys.optimisation import CurvePoint, PaintSettings, paint
from atelier_export.losses.perceptual import PerceptualLoss
from atelier_export.losses.vgg import VGG19, WEIGHTS
from atelier_export.publishing.manifest import sha256
from atelier_export.reports.loss_curves import plot_losses
from atelier_export.settings import Settings, setting
from atelier_export.training.device import usable_device

_log = logging.getLogger(__name__)

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
"""Formats of the result by the file's suffix."""
_SMALLEST_SIDE = 16
# Pixels painted around the image and cut off: the loss network pads with zeros, and a rim of
# some three pixels shows it.
_MARGIN = 8
_QUALITY = 95


@dataclass(frozen=True)
class PaintFiles(Settings):
    """What is painted, and where it goes.

    Attributes:
        photograph: Any image that Pillow reads.
        painting: Likewise.
        output: Where the result goes; the suffix chooses the format, one of `FORMATS`.
        vgg: Weights of the loss network, see `VGG19.load`.
    """

    photograph: Path = setting(help="What is repainted.", path="file", positional=True)
    painting: Path = setting(help="The style.", path="file", positional=True)
    output: Path = setting(
        help="The image to write; its suffix (.png, .jpg, .webp) chooses the format.",
        path="new_file", metavar="OUT", short="-o",
    )  # fmt: skip
    vgg: Path = setting(**WEIGHTS)


@dataclass(frozen=True)
class PaintRun(Settings):
    """What surrounds the optimisation.

    Attributes:
        side: Longer side of the result in pixels; a smaller photograph keeps its size.
        style_side: Shorter side of the painting in pixels: the scale of the strokes.
        keep_colors: Take over the painting's luminance alone, see `luminance`.
        save_every: Iterations from one saved image and report to the next.
        plot: Draw the curve too.
        device: A torch device.
    """

    side: int = setting(
        512, "Longer side of the result in pixels; a smaller photograph keeps its size.",
        minimum=16,
    )  # fmt: skip
    style_side: int = setting(
        384, "Shorter side of the painting in pixels: the scale of the strokes.", minimum=16
    )
    keep_colors: bool = setting(False, "Take over the painting's light and dark, not its colours.")
    save_every: int = setting(
        10, "Iterations from one saved image and report to the next.", minimum=1
    )
    plot: bool = setting(False, "Draw the curve too, as OUT's name with .curve.png.")
    device: str = setting("cpu", "A torch device: cpu, cuda.")


def paint_files(
    files: PaintFiles, settings: PaintSettings, run: PaintRun | None = None
) -> CurvePoint:
    """Paints a photograph in the style of a painting.

    Writes the image, beside it the curve as JSON, and on request its drawing as PNG: at the
    start, every few iterations, in the end, and when an exception such as KeyboardInterrupt comes
    between. Each file is written whole or not at all. The loss is that of the image with a
    small margin, which is painted and cut off.

    Args:
        files: What is painted, and where it goes.
        settings: How to paint.
        run: What surrounds it.

    Returns:
        The last point of the curve.

    Raises:
        OSError: A file cannot be read or written.
        ValueError: An input or the device cannot be used.
    """
    run = run or PaintRun()
    photo, painting, vgg, output = files.photograph, files.painting, files.vgg, files.output
    place = usable_device(run.device)
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
        **{name: value for name, value in asdict(run).items() if name != "device"},
    }, finish)  # fmt: skip
    height, width = original.shape[1:]
    _log.info("%s in the style of %s, %d×%d pixels", photo.name, painting.name, width, height)
    try:
        for point, image in paint(perceptual_loss, photograph, 0, settings):
            recorder.add(point, image)
    finally:
        recorder.save()
    if recorder.curve[-1].iteration < settings.iterations:
        _log.info("nothing better was found after iteration %d", recorder.curve[-1].iteration)
    return recorder.curve[-1]


def fit(image: Image.Image, side: int) -> Image.Image:
    """The image with a longer side of at most `side` and a shorter one of at least 16 pixels."""
    scale = min(1.0, side / max(image.size))
    width, height = (max(_SMALLEST_SIDE, round(length * scale)) for length in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS)


def _in_colors(photograph: Tensor, painted: Tensor) -> Tensor:
    return with_luminance(photograph, inner(painted, _MARGIN))


class _Recorder:
    """The curve so far and the newest image; reports them and puts them on disk."""

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
