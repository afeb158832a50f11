"""What a search is for: scores of images, higher is better."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from atelier._classify import Classification
from atelier._errors import InvalidRequest
from atelier._images import ImageSource, rgb_image
from atelier._search.latents import Latents, Numbers, on_shell

Images: TypeAlias = Sequence[Image.Image]


class Painter(Protocol):
    """What a search needs of `Client`."""

    def latents(self, count: int = 1, *, seed: int | None = None) -> Latents:
        """Latents of the prior, (count, Z)."""

    def paint(self, latents: npt.ArrayLike, *, movement: str) -> list[Image.Image]:
        """The images of latents, (n, Z)."""

    def classify(self, image: ImageSource, top: int | None = 3) -> Classification:
        """The movements and eras of an image."""


class Objective(Protocol):
    """Scores images. One of its own for each search: it may remember what it has seen."""

    label: str
    """Of the axis, with the unit."""

    def __call__(self, images: Images) -> Numbers:
        """The scores of n images, (n,)."""


class MovementProbability:
    """The probability of a movement, by the served classifier.

    A batch is classified by as many threads as it has images, so that the server can batch it too.

    Args:
        painter: Classifies.
        movement: As the server spells it, or with other case, spaces or hyphens.
    """

    def __init__(self, painter: Painter, movement: str) -> None:
        self._painter = painter
        self._movement = movement.strip().lower().replace(" ", "_").replace("-", "_")
        self.label = f"probability of {self._movement}"

    def __call__(self, images: Images) -> Numbers:
        """The scores of n images, (n,), from 0 to 1.

        Raises:
            InvalidRequest: The classifier does not know the movement.
            AtelierError: As in `Client.classify`.
        """
        with ThreadPoolExecutor(len(images)) as pool:
            found = list(pool.map(partial(self._painter.classify, top=None), images))
        return np.array([self._probability(classification) for classification in found])

    def _probability(self, classification: Classification) -> float:
        labels = {label.name: label.probability for label in classification.movements}
        if self._movement not in labels:
            names = ", ".join(sorted(labels))
            raise InvalidRequest(f"the classifier knows no movement {self._movement!r}: {names}")
        return labels[self._movement]


class Closeness:
    """Closeness to a given image, as minus the root mean square difference of thumbnails.

    Thumbnails of 16×16 keep composition and colours, which a latent decides, and leave out the
    strokes, in which two good paintings of one scene differ everywhere. They need no other model,
    and their differences are in levels of 255.

    Args:
        target: As in `Client.stylize`; its middle square is compared.

    Raises:
        InvalidRequest: It is no image.
        OSError: The file cannot be read.
    """

    def __init__(self, target: ImageSource) -> None:
        self._target = thumbnails([rgb_image(target)])
        self.label = "minus RMS difference, levels of 255"

    def __call__(self, images: Images) -> Numbers:
        """The scores of n images, (n,), from -255 to 0."""
        scores: Numbers = -rms_differences(thumbnails(images), self._target)[:, 0]
        return scores


class Novelty:
    """How far an image is from all found so far: sparseness (Lehman & Stanley 2011, section 3.1).

    The mean distance, between thumbnails, to the NEIGHBORS nearest among the images of the batch
    and of the archive, which keeps every image that was scored. A score holds for the moment at
    which it was given.

    Args:
        known: Images that the archive has from the start. Without them the first batch, which has
            no neighbours but its own, would have the best scores of a search.
    """

    NEIGHBORS: Final = 15

    def __init__(self, known: Images = ()) -> None:
        self.archive: Numbers = thumbnails(known) if known else np.empty((0, THUMBNAIL**2 * 3))
        self.label = f"RMS difference to {self.NEIGHBORS} nearest, of 255"

    def __call__(self, images: Images) -> Numbers:
        """The scores of n images, (n,), from 0 to 255; 0 for an image with nothing beside it."""
        new = thumbnails(images)
        earlier = len(self.archive)
        self.archive = np.concatenate([self.archive, new])
        distances = rms_differences(new, self.archive)
        # To itself, which is no neighbour.
        distances[np.arange(len(new)), earlier + np.arange(len(new))] = np.inf
        nearest = np.sort(distances, axis=1)[:, : min(self.NEIGHBORS, len(self.archive) - 1)]
        scores: Numbers = nearest.mean(axis=1) if nearest.size else np.zeros(len(new))
        return scores


KNOWN: Final = 128
"""Images that are no novelty any more when a search begins."""
THUMBNAIL: Final = 16
"""Side in pixels."""


def thumbnails(images: Images) -> Numbers:
    """The middle squares of images in 16×16 pixels, (n, 768), from 0 to 255."""
    side = (THUMBNAIL, THUMBNAIL)
    small = [ImageOps.fit(image.convert("RGB"), side, Image.Resampling.BOX) for image in images]
    return np.stack([np.asarray(image, np.float64).ravel() for image in small])


def rms_differences(first: Numbers, second: Numbers) -> Numbers:
    """Root mean square differences between all rows of (n, L) and all of (m, L), (n, m)."""
    squares = [((second - row) ** 2).mean(axis=1) for row in first]
    differences: Numbers = np.sqrt(np.stack(squares))
    return differences


def objective_named(text: str, painter: Painter, movement: str) -> Callable[[], Objective]:
    """What makes the objective that a user names, anew for each search.

    Args:
        text: movement:NAME, image:FILE or novelty, which is that beside KNOWN usual images.
        painter: Paints and classifies.
        movement: What is painted.

    Raises:
        InvalidRequest: There is no such objective, or its file holds no image.
        OSError: The file cannot be read.
        AtelierError: As in `Client.paint`.
    """
    kind, _, argument = text.partition(":")
    if kind == "movement" and argument.strip():
        return partial(MovementProbability, painter, argument)
    if kind == "image" and argument:
        return partial(Closeness, rgb_image(Path(argument)))
    if text == "novelty":
        latents = on_shell(painter.latents(KNOWN, seed=0))
        return partial(Novelty, painter.paint(latents, movement=movement))
    raise InvalidRequest(
        f"there is no objective {text!r}: give movement:NAME, image:FILE or novelty"
    )
