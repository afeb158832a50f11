"""Random square crops of images, for trainings."""

import numpy as np
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from atelier_export.data.images import EncodedImage, resize_short_side, to_tensor


class RandomCrops(Dataset[Tensor]):
    """Random square crops, a function of the seed and the index alone.

    So a training that was interrupted at any step goes on with the crops that it would have seen.
    Each pass over the images has an order of its own; each crop takes a random share of the
    image and is mirrored half of the time.
    """

    def __init__(self, images: list[EncodedImage], side: int, count: int, seed: int) -> None:
        self._pictures = images
        self._side = side
        self._count = count
        self._seed = seed

    def __len__(self) -> int:
        """Crops in the whole training."""
        return self._count

    def __getitem__(self, index: int) -> Tensor:
        """The crop number `index`, (3, side, side) float32 in 0..1."""
        if not 0 <= index < self._count:
            raise IndexError(f"crop {index} of {self._count}")
        epoch, place = divmod(index, len(self._pictures))
        order = np.random.default_rng((self._seed, epoch)).permutation(len(self._pictures))
        random = np.random.default_rng((self._seed, epoch, place))
        image = self._pictures[order[place]].read()
        image = resize_short_side(
            image, random.integers(self._side, self._side * 3 // 2, endpoint=True)
        )
        left = random.integers(image.width - self._side, endpoint=True)
        top = random.integers(image.height - self._side, endpoint=True)
        image = image.crop((left, top, left + self._side, top + self._side))
        if random.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return to_tensor(image)
