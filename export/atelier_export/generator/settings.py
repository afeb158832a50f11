"""The settings of trainings of the generator, and what they read."""

from dataclasses import dataclass
from pathlib import Path

from atelier_export.settings import STRICT_SETTING, Settings, setting


@dataclass(frozen=True)
class PaintingData(Settings):
    """What a training on paintings reads.

    Attributes:
        paintings: Folder or uncompressed tar archive of `<movement>/<artist>_<title>.<suffix>`.
        vae: Checkpoint of the autoencoder in whose latent maps the generator paints.
        strict: Whether to refuse paintings that cannot be decoded, instead of leaving them out.
    """

    paintings: Path = setting(
        help="Folder or uncompressed tar of <movement>/<artist>_<title>.<suffix>.", path="either"
    )
    vae: Path = setting(
        Path("export/checkpoints/vae/vae.safetensors"),
        "Checkpoint of the autoencoder in whose latents to paint.", path="file",
    )  # fmt: skip
    strict: bool = setting(**STRICT_SETTING)


@dataclass(frozen=True)
class DigitData(Settings):
    """What a training on digits reads.

    Attributes:
        digits: Folder with the four files of MNIST as they are published.
        classifier: Checkpoint of `atelier train digits-classifier`, which judges the result.
    """

    digits: Path = setting(help="Folder with the four .gz files of MNIST.", path="folder")
    classifier: Path = setting(
        help="Checkpoint of train digits-classifier, which judges the samples.", path="file"
    )


@dataclass(frozen=True)
class GeneratorSettings(Settings):
    """The settings of a training; each has an effect on the weights.

    Attributes:
        steps: Updates of the weights.
        batch: Maps an update.
        latent: Length Z of the generator's input.
        width: Channels of the largest maps; the smaller ones have more.
        learning_rate: Highest step of Adam, of both networks, see `trapezoid`.
        r1_weight: Weight γ of the gradient penalty (Mescheder et al. 2018).
        r1_every: Steps from one penalty to the next, which weighs as much more (Karras et al. 2020,
            arXiv:1912.04958, section 3.2).
        translation: Of the maps that the discriminator sees, as a share of their side.
        cutout: Side of the square that is blanked in them, as a share of their side.
        balance: 0 draws each class as often as it is in the data, 1 all classes alike.
        warm_up: Steps in which the learning rate rises from zero.
        decay: Share of the steps, the last ones, in which it falls to zero.
        averaging: Share of the moving average of the generator's weights that a step leaves.
        seed: Seed of weights, batches and all that is drawn.
    """

    steps: int = setting(12000, "Updates of the weights.", minimum=1)
    batch: int = setting(64, "Maps an update.", minimum=2)
    latent: int = setting(128, "Length of the generator's input.", minimum=1)
    width: int = setting(96, "Channels of the largest maps.", minimum=2)
    learning_rate: float = setting(3e-4, "Adam's highest step.", minimum=0)
    r1_weight: float = setting(0.5, "Weight of the gradient penalty.", minimum=0)
    r1_every: int = setting(8, "Steps from one gradient penalty to the next.", minimum=1)
    translation: float = setting(
        0.125, "Of what the discriminator sees, share of the side.", minimum=0, maximum=1
    )
    cutout: float = setting(
        0.5, "Side of the square blanked in it, share of the side.", minimum=0, maximum=1
    )
    balance: float = setting(
        0.5, "0: classes as often as in the data; 1: all alike.", minimum=0, maximum=1
    )
    warm_up: int = setting(200, "Steps in which the learning rate rises.", minimum=1)
    decay: float = setting(
        0.25, "Share of the steps in which it falls to zero.", minimum=0.01, maximum=1
    )
    averaging: float = setting(
        0.999, "Share of the weights' moving average that a step leaves.",
        minimum=0, maximum=0.9999,
    )  # fmt: skip
    seed: int = setting(0, "Seed of weights, batches and all that is drawn.", minimum=0)

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of the stages, from the smallest maps up: 2, 4/3 and 1 times the width."""
        return 2 * self.width, 4 * self.width // 3, self.width


@dataclass(frozen=True)
class PaintingSettings(GeneratorSettings):
    """The settings of a training on paintings.

    Attributes:
        flip: Share of the paintings that are mirrored.
    """

    flip: float = setting(0.5, "Share of the paintings that are mirrored.", minimum=0, maximum=1)


@dataclass(frozen=True)
class DigitSettings(GeneratorSettings):
    """The settings of a training on digits: there are many, so that nothing is augmented."""

    steps: int = setting(3000, "Updates of the weights.", minimum=1)
    latent: int = setting(64, "Length of the generator's input.", minimum=1)
    width: int = setting(32, "Channels of the largest maps.", minimum=2)
    r1_weight: float = setting(1.0, "Weight of the gradient penalty.", minimum=0)
    translation: float = setting(
        0.0, "Of what the discriminator sees, share of the side.", minimum=0, maximum=1
    )
    cutout: float = setting(
        0.0, "Side of the square blanked in it, share of the side.", minimum=0, maximum=1
    )
