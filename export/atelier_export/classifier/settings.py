"""The settings of trainings of the classifier, and what they read."""

from dataclasses import dataclass
from pathlib import Path

from atelier_export.data.painting_splits import Split
from atelier_export.losses.vgg import VGG_SETTING
from atelier_export.settings import STRICT_SETTING, Settings, setting


@dataclass(frozen=True)
class PaintingData(Settings):
    """What a training on paintings reads.

    Attributes:
        paintings: Folder or uncompressed tar archive of `<movement>/<artist>_<title>.<suffix>`.
        vgg: Weights of the teacher, see `VGG19.load`.
        strict: Whether to refuse paintings that cannot be decoded, instead of leaving them out.
    """

    paintings: Path = setting(
        help="Folder or uncompressed tar of <movement>/<artist>_<title>.<suffix>.", path="either"
    )
    vgg: Path = setting(**VGG_SETTING)
    strict: bool = setting(**STRICT_SETTING)


@dataclass(frozen=True)
class DigitData(Settings):
    """What a training on digits reads.

    Attributes:
        digits: Folder with the four files of MNIST as they are published.
    """

    digits: Path = setting(help="Folder with the four .gz files of MNIST.", path="folder")


@dataclass(frozen=True)
class ClassifierSettings(Settings):
    """The settings of a training; each has an effect on the weights.

    Attributes:
        steps: Updates of the weights.
        batch: Images per update, even.
        side: Side in pixels of the crops at first. Small crops at first save time (Touvron et al.
            2019, arXiv:1906.06423: the last steps are at the size that is served).
        last_side: Side in pixels of the last crops, that of the whole images as served.
        last_share: Share of the steps, the last ones, with crops of `last_side`.
        smallest_crop: Share of the image's sides that a crop shows at least.
        flip: Share of the crops that are mirrored.
        color_jitter: Highest change of brightness, contrast and saturation, as a share.
        mixup: Both parameters of the beta distribution of mixup (Zhang et al. 2018,
            arXiv:1710.09412), to which the second half of each batch is subject; 0 for none.
        label_smoothing: Share of the target that is spread over all classes (Szegedy et al. 2016,
            arXiv:1512.00567).
        balance: A class of n images is drawn in proportion to n^(1 − balance): with 0 by frequency,
            with 1 uniformly, with 0.5 as in Mahajan et al. 2018 (arXiv:1805.00932).
        teacher_share: Share of the target that the teacher gives, where there is a teacher.
        statistics_weight: Weight of the error in the teacher's statistics.
        components: Number of principal components of the statistics.
        learning_rate: AdamW's highest learning rate, see `trapezoid`.
        weight_decay: Of the convolutions and the head (Loshchilov and Hutter 2019,
            arXiv:1711.05101).
        gradient_norm: Norm to which gradients are clipped.
        warm_up: Steps in which the learning rate rises from zero.
        decay: Share of the steps, at the end, in which it falls to zero.
        averaging: Decay of the moving average of the weights.
        seed: Seed of weights, crops and all that is drawn.
    """

    steps: int = setting(6000, "Updates of the weights.", minimum=1)
    batch: int = setting(64, "Images per update.", minimum=4, multiple_of=2)
    side: int = setting(96, "Side of the crops at first, in pixels.", minimum=16)
    last_side: int = setting(128, "Side of the last crops, in pixels.", minimum=16)
    last_share: float = setting(
        0.25, "Share of the steps with crops of the last side.", minimum=0, maximum=1
    )
    smallest_crop: float = setting(
        0.6, "Share of the image's sides that a crop shows at least.", minimum=0.1, maximum=1
    )
    flip: float = setting(0.5, "Share of the crops that are mirrored.", minimum=0, maximum=1)
    color_jitter: float = setting(
        0.15, "Highest change of brightness, contrast and saturation.", minimum=0
    )
    mixup: float = setting(0.4, "Parameter of mixup's beta distribution; 0: none.", minimum=0)
    label_smoothing: float = setting(
        0.05, "Share of the target that all classes share.", minimum=0, maximum=0.9
    )
    balance: float = setting(
        0.5, "0: draw classes by frequency; 1: uniformly.", minimum=0, maximum=1
    )
    teacher_share: float = setting(
        0.5, "Share of the target that the teacher gives.", minimum=0, maximum=1
    )
    statistics_weight: float = setting(
        0.5, "Weight of the error in the teacher's statistics.", minimum=0
    )
    components: int = setting(128, "Principal components of these statistics.", minimum=1)
    learning_rate: float = setting(2e-3, "AdamW's highest learning rate.", minimum=0)
    weight_decay: float = setting(0.05, "Weight decay of the convolutions and the head.", minimum=0)
    gradient_norm: float = setting(5.0, "Norm to which gradients are clipped.", minimum=0)
    warm_up: int = setting(200, "Steps in which the learning rate rises.", minimum=1)
    decay: float = setting(
        0.5, "Share of the steps in which it falls to zero.", minimum=0.01, maximum=1
    )
    averaging: float = setting(
        0.998, "Decay of the moving average of the weights.",
        minimum=0, maximum=0.9999,
    )  # fmt: skip
    seed: int = setting(0, "Seed of weights, crops and all that is drawn.", minimum=0)

    def side_at(self, step: int) -> int:
        """Side in pixels of the crops of a step."""
        return self.last_side if step >= (1 - self.last_share) * self.steps else self.side


@dataclass(frozen=True)
class PaintingSettings(ClassifierSettings):
    """The settings of a training on paintings.

    Attributes:
        split: Whether training, validation and test share no work, or no artist.
    """

    split: Split = setting("work", "Whether training and test share no work, or no artist.")


@dataclass(frozen=True)
class DigitSettings(ClassifierSettings):
    """The settings of a training on digits, without a teacher."""

    steps: int = setting(3000, "Updates of the weights.", minimum=1)
    batch: int = setting(128, "Images per update.", minimum=4, multiple_of=2)
    side: int = setting(28, "Side of the crops at first, in pixels.", minimum=16)
    last_side: int = setting(28, "Side of the last crops, in pixels.", minimum=16)
    smallest_crop: float = setting(
        0.8, "Share of the image's sides that a crop shows at least.", minimum=0.1, maximum=1
    )
    flip: float = setting(0.0, "Share of the crops that are mirrored.", minimum=0, maximum=1)
    color_jitter: float = setting(
        0.0, "Highest change of brightness, contrast and saturation.", minimum=0
    )
    mixup: float = setting(0.0, "Parameter of mixup's beta distribution; 0: none.", minimum=0)
    balance: float = setting(
        0.0, "0: draw classes by frequency; 1: uniformly.", minimum=0, maximum=1
    )
