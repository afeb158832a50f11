"""The settings of trainings of the style network, and what they read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atelier_export.losses.vgg import VGG_SETTING
from atelier_export.losses.weights import LossWeights
from atelier_export.settings import STRICT_SETTING, Settings, setting
from atelier_export.style.architectures import ARCHITECTURES

IMAGES_SETTING: dict[str, Any] = {
    "help": "Folder or uncompressed tar archive of photographs.", "path": "either",
}  # fmt: skip
PAINTINGS_SETTING: dict[str, Any] = {
    "help": "Folder with the painting of every style, named like it.", "path": "folder",
}  # fmt: skip


@dataclass(frozen=True)
class StyleData(Settings):
    """What the training of a network reads.

    Attributes:
        images: Folder or uncompressed tar archive of photographs.
        paintings: Folder of paintings; a file's name without suffix names its style.
        vgg: Weights of the loss network, see `VGG19.load`.
        styles: Only these styles, in this order; by default all, sorted by name.
        strict: Whether to refuse photographs that cannot be decoded, instead of leaving them out.
    """

    images: Path = setting(**IMAGES_SETTING)
    paintings: Path = setting(**PAINTINGS_SETTING)
    vgg: Path = setting(**VGG_SETTING)
    styles: tuple[str, ...] = setting(
        (), "Only these styles, in this order.  [default: all]", metavar="NAME,…"
    )
    strict: bool = setting(**STRICT_SETTING)


@dataclass(frozen=True)
class AddedStyleData(Settings):
    """What the training of one more style reads.

    Attributes:
        painting: The style's painting; the file's name without suffix names the style.
        images: Folder or uncompressed tar archive of photographs.
        vgg: Weights of the loss network, the same that the network was trained with.
        checkpoint: The network that learns the style.
        strict: As in `StyleData`.
    """

    painting: Path = setting(help="The painting.", path="file", positional=True)
    images: Path = setting(**IMAGES_SETTING)
    vgg: Path = setting(**VGG_SETTING)
    checkpoint: Path = setting(
        Path("export/checkpoints/style/style.safetensors"),
        "The network that learns the style.",
        path="new_file",
    )
    strict: bool = setting(**STRICT_SETTING)


@dataclass(frozen=True)
class StyleSettings(LossWeights):
    """The settings of a training; each has an effect on the weights.

    The loss is computed on crops of `side` pixels. The network sees `margin` pixels around them, so
    it does not learn where the loss network pads with zeros, and paints no frame there. The content
    features of the crops are cached, some 0.6 MB per crop for a side of 192.

    Attributes:
        stability_weight: Weight of the temporal stability, the stability distance.
        steps: Updates of the weights.
        batch: Images per update, each with a style drawn at random.
        side: Side of the loss crop in pixels.
        margin: Pixels that the network sees around it.
        crops: Number of different crops.
        style_side: Shorter side of the paintings in pixels: the scale of the strokes.
        strength_jitter: Share of the images painted at a strength other than 1, less than all.
        learning_rate: Adam's highest learning rate for the convolutions, see `trapezoid`.
        style_learning_rate: The same for the scales and shifts, which alone differ between styles
            and each of which learns from a share of the images only.
        gradient_norm: Norm to which gradients are clipped.
        held_out: Every Nth image, by name, is held out for the evaluation.
        seed: Seed of weights, crops, styles, strengths and moves. The noise depends on the step
            alone.
    """

    stability_weight: float = setting(
        2.0, "Weight of the temporal stability: the same strokes from frame to frame.", minimum=0
    )
    steps: int = setting(
        12000, "Updates of the weights; a run can be made longer, best before its last quarter.",
        minimum=1,
    )  # fmt: skip
    batch: int = setting(2, "Images per update.", minimum=1)
    side: int = setting(192, "Side of the loss crop in pixels.", minimum=16, multiple_of=8)
    margin: int = setting(16, "Pixels that the network sees around the loss crop.", minimum=0)
    crops: int = setting(
        2000, "Number of different crops; give more than there are images.", minimum=1
    )
    style_side: int = setting(
        384, "Shorter side of the paintings in pixels: the scale of the strokes.", minimum=16
    )
    strength_jitter: float = setting(
        0.25, "Share of the images painted at strengths other than 1.",
        minimum=0, maximum=1, open_maximum=True,
    )  # fmt: skip
    learning_rate: float = setting(
        1e-3, "Adam's highest learning rate for the convolutions.", minimum=0
    )
    style_learning_rate: float = setting(
        5e-3, "Adam's highest learning rate for the scales and shifts of the styles.", minimum=0
    )
    gradient_norm: float = setting(1.0, "Norm to which gradients are clipped.", minimum=0)
    held_out: int = setting(
        20, "Every Nth image, by name, is held out for the evaluation.", minimum=2
    )
    seed: int = setting(0, "Seed of weights, crops, styles, strengths and moves.", minimum=0)

    @property
    def max_move(self) -> int:
        """Largest move of the second view of a crop, in pixels down and to the right."""
        return 8 if self.stability_weight else 0


@dataclass(frozen=True)
class NewStyleSettings(StyleSettings):
    """The settings of the training of a new network.

    Attributes:
        network: Name of the network's architecture.
    """

    network: str = setting("eighth", "The network's architecture.", allowed=tuple(ARCHITECTURES))


@dataclass(frozen=True)
class AddedStyleSettings(StyleSettings):
    """The settings of the training of one more style; the network's architecture stays."""

    steps: int = setting(1000, "Updates of the weights; a run can be made longer.", minimum=1)
