"""A generator and a classifier whose images are simple functions of the latent."""

import numpy as np
from PIL import Image

from atelier import Classification, InvalidRequest, Label

LENGTH = 24
SIDE = 32
MOVEMENTS = ("cubism", "rococo")


class FakePainter:
    """Stands in for `Client`: a latent's 12 first numbers are the colours of 2×2 quarters."""

    def __init__(self, *_: object, **__: object) -> None:
        self.batches: list[int] = []
        self.movements: list[str] = []

    def __enter__(self) -> "FakePainter":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def latents(self, count: int = 1, *, seed: int | None = None) -> np.ndarray:
        return np.random.default_rng(seed).standard_normal((count, LENGTH)).astype(np.float32)

    def paint(self, latents, *, movement: str) -> list[Image.Image]:
        if movement not in MOVEMENTS:
            raise InvalidRequest(f"there is no movement {movement!r}")
        self.batches.append(len(latents))
        self.movements.append(movement)
        levels = 255 / (1 + np.exp(-np.asarray(latents)[:, :12].reshape(-1, 2, 2, 3)))
        pixels = levels.astype(np.uint8).repeat(SIDE // 2, 1).repeat(SIDE // 2, 2)
        return [Image.fromarray(each) for each in pixels]

    def classify(self, image, top: int | None = 3) -> Classification:
        """Red is cubism."""
        assert top is None
        red = float(np.asarray(image)[..., 0].mean() / 255)
        labels = sorted(zip((red, 1 - red), MOVEMENTS, strict=True), reverse=True)
        return Classification(tuple(Label(name, share) for share, name in labels), ())
