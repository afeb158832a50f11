"""The settings of trainings of the variational autoencoder, and what they read."""

from dataclasses import dataclass
from pathlib import Path

from atelier_export.losses.vgg import VGG_SETTING
from atelier_export.settings import STRICT_SETTING, Settings, setting


@dataclass(frozen=True)
class PaintingData(Settings):
    """What a training on paintings reads.

    Attributes:
        paintings: Folder or uncompressed tar archive of `<movement>/<artist>_<title>.<suffix>`.
        vgg: Weights for the perceptual term, see `VGG19.load`; without, there is no such term.
        strict: Whether to refuse paintings that cannot be decoded, instead of leaving them out.
    """

    paintings: Path = setting(
        help="Folder or uncompressed tar of <movement>/<artist>_<title>.<suffix>.", path="either"
    )
    vgg: Path | None = setting(
        None, f"{VGG_SETTING['help']}  [default: no perceptual term]", path=VGG_SETTING["path"]
    )
    strict: bool = setting(**STRICT_SETTING)


@dataclass(frozen=True)
class DigitData(Settings):
    """What a training on digits reads.

    Attributes:
        digits: Folder with the four files of MNIST as they are published.
    """

    digits: Path = setting(help="Folder with the four .gz files of MNIST.", path="folder")


@dataclass(frozen=True)
class VAESettings(Settings):
    """The settings of a training; each has an effect on the weights.

    Attributes:
        steps: Updates of the weights.
        batch: Images an update.
        kl_warm_up: Steps in which the weight of the KL divergence rises from 0 to 1 (Sønderby et
            al. 2016, arXiv:1602.02282, section 2.3), so that the latent is used at first.
        learning_rate: AdamW's highest step, see `trapezoid`.
        weight_decay: Of the convolutions (Loshchilov and Hutter 2019, arXiv:1711.05101).
        gradient_norm: Norm to which gradients are clipped.
        warm_up: Steps in which the learning rate rises from zero.
        decay: Share of the steps, the last ones, in which it falls to zero.
        averaging: Share of the moving average of the weights that a step leaves.
        seed: Seed of weights, batches and all that is drawn.
    """

    steps: int = setting(20000, "Updates of the weights.", minimum=1)
    batch: int = setting(16, "Images an update.", minimum=1)
    kl_warm_up: int = setting(
        2000, "Steps in which the weight of the KL divergence rises to 1.", minimum=1
    )
    learning_rate: float = setting(1e-3, "AdamW's highest step.", minimum=0)
    weight_decay: float = setting(0.01, "Of the convolutions.", minimum=0)
    gradient_norm: float = setting(1.0, "Norm to which gradients are clipped.", minimum=0)
    warm_up: int = setting(200, "Steps in which the learning rate rises.", minimum=1)
    decay: float = setting(
        0.4, "Share of the steps in which it falls to zero.", minimum=0.01, maximum=1
    )
    averaging: float = setting(
        0.999, "Share of the weights' moving average that a step leaves.",
        minimum=0, maximum=0.9999,
    )  # fmt: skip
    seed: int = setting(0, "Seed of weights, batches and all that is drawn.", minimum=0)

    def kl_weight_at(self, step: int) -> float:
        """Weight of the KL divergence in a step, above 0 and at most 1."""
        return min(1, (step + 1) / self.kl_warm_up)


@dataclass(frozen=True)
class PaintingSettings(VAESettings):
    """The settings of a training on paintings.

    Attributes:
        side: Side of the images in pixels.
        latent_channels: Channels of the latent map, whose side is an eighth of the image's.
        flip: Share of the images that are mirrored.
        corrupted: Share of the inputs with noise or holes, which the network learns to mend.
        noise: Highest standard deviation of the noise in levels.
        perceptual_weight: Weight of the perceptual distance beside the nats a dimension.
        perceptual_images: Images of each batch that it is measured on, since VGG-19 costs more
            than the autoencoder.
    """

    side: int = setting(128, "Side of the images in pixels.", minimum=16, multiple_of=8)
    latent_channels: int = setting(4, "Channels of the latent map.", minimum=1)
    flip: float = setting(0.5, "Share of the images that are mirrored.", minimum=0, maximum=1)
    corrupted: float = setting(
        0.5, "Share of the inputs with noise or holes.", minimum=0, maximum=1
    )
    noise: float = setting(
        50.0, "Highest standard deviation of the noise, of 255.", minimum=0, maximum=255
    )
    perceptual_weight: float = setting(
        0.5, "Weight of the perceptual distance, with --vgg.", minimum=0
    )
    perceptual_images: int = setting(4, "Images of a batch that it is measured on.", minimum=1)


@dataclass(frozen=True)
class DigitSettings(VAESettings):
    """The settings of a training on digits: clean inputs, and no perceptual term."""

    steps: int = setting(10000, "Updates of the weights.", minimum=1)
    batch: int = setting(128, "Images an update.", minimum=1)
    kl_warm_up: int = setting(
        1000, "Steps in which the weight of the KL divergence rises to 1.", minimum=1
    )
