"""Random square crops of images, for training."""

import numpy as np
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from atelier_export.data.images import EncodedImage, resize_short_side, to_tensor


class RandomCrops(Dataset[Tensor]):
    """Random square crops, a function of the seed and the index alone.

    So a training that resumes at any step sees the same crops as an uninterrupted one. Each epoch
    shuffles the images anew; each crop shows a random part of an image, mirrored half of the time.
    """

    def __init__(self, images: list[EncodedImage], side: int, count: int, seed: int) -> None:
        self._images = images
        self._side = side
        self._count = count
        self._seed = seed

    def __len__(self) -> int:
        """The number of crops."""
        return self._count

    def __getitem__(self, index: int) -> Tensor:
        """The crop number `index`, (3, side, side) float32 in 0..1."""
        if not 0 <= index < self._count:
            raise IndexError(f"crop {index} of {self._count}")
        epoch, position = divmod(index, len(self._images))
        order = np.random.default_rng((self._seed, epoch)).permutation(len(self._images))
        random = np.random.default_rng((self._seed, epoch, position))
        image = self._images[order[position]].read()
        image = resize_short_side(
            image, random.integers(self._side, self._side * 3 // 2, endpoint=True)
        )
        left = random.integers(image.width - self._side, endpoint=True)
        top = random.integers(image.height - self._side, endpoint=True)
        image = image.crop((left, top, left + self._side, top + self._side))
        if random.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return to_tensor(image)
