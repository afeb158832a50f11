"""How good an image is after `.atl`, and after JPEG and WebP of the same number of bytes.

    python bench/compression.py --paintings paintings.tar -o compression.json

The images are test paintings, which the autoencoder was not trained on, at its own size. They go
through the service, as `atelier compress` and `atelier decompress` send them.
"""

import argparse
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from atelier import Client
from atelier_export.data.images import Pixels
from atelier_export.data.paintings import read_paintings
from atelier_export.vae.image_quality import psnr, ssim
from atelier_export.vae.published import PublishedVAE
from atelier_export.vae.report import compression_table
from atelier_serving import TritonServer

REPOSITORY = Path(__file__).parents[1] / "model_repository"
STEPS = (0.125, 0.25, 0.5, 1.0, 2.0)
# Pillow's smallest files: JPEG with Huffman tables of its own, WebP by its slowest method.
CODECS = {
    "jpeg": ("JPEG", range(1, 96), {"optimize": True}),
    "webp": ("WEBP", range(101), {"method": 6}),
}


@dataclass(frozen=True)
class Measured:
    """An image after a codec: bytes of its file, PSNR in dB, SSIM, and whether it fits the size."""

    size: int
    psnr: float
    ssim: float
    fits: bool = True


def files(image: Image.Image, codec: str) -> list[bytes]:
    """The image in every quality of a codec, as whole files."""
    encoding, qualities, options = CODECS[codec]
    found = []
    for quality in qualities:
        buffer = io.BytesIO()
        image.save(buffer, encoding, quality=quality, **options)
        found.append(buffer.getvalue())
    return found


def nearest_from_below(found: Sequence[bytes], size: int) -> tuple[bytes, bool]:
    """The largest file of at most `size` bytes and True; else the smallest file and False."""
    fitting = [each for each in found if len(each) <= size]
    return (max(fitting, key=len), True) if fitting else (min(found, key=len), False)


def measured(image: Pixels, other: Image.Image, size: int, fits: bool = True) -> Measured:
    pixels = np.asarray(other.convert("RGB"))
    return Measured(size, psnr(image, pixels), ssim(image, pixels), fits)


def means(found: Sequence[Measured]) -> dict[str, float]:
    """Means over images, and how many of them are larger than the size they were to have."""
    return {
        "bytes": float(np.mean([each.size for each in found])),
        "psnr": float(np.mean([each.psnr for each in found])),
        "ssim": float(np.mean([each.ssim for each in found])),
        "too_large": sum(not each.fits for each in found),
    }


def measure(art: Client, image: Pixels) -> list[dict[str, Measured]]:
    """One image (N, N, 3): at each step, by codec."""
    original = Image.fromarray(image)
    classic = {codec: files(original, codec) for codec in CODECS}
    steps = []
    for step in STEPS:
        data = art.compress(original, step=step)
        found = {"vae": measured(image, art.decompress(data), len(data))}
        for codec, every_quality in classic.items():
            file, fits = nearest_from_below(every_quality, len(data))
            found[codec] = measured(image, Image.open(io.BytesIO(file)), len(file), fits)
        steps.append(found)
    return steps


def compression(art: Client, images: Iterable[Pixels]) -> list[dict[str, object]]:
    """The figures of each step, means over all images."""
    by_image = [measure(art, image) for image in images]
    return [
        {"step": step, **{codec: means([each[codec] for each in found]) for codec in found[0]}}
        for step, *found in zip(STEPS, *by_image, strict=True)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--paintings", type=Path, required=True, help="folder or uncompressed tar")
    parser.add_argument("--model-repository", type=Path, default=REPOSITORY)
    parser.add_argument("--images", type=int, default=200, help="test paintings, at most")
    parser.add_argument("-o", "--output", type=Path, default=Path("compression.json"))
    arguments = parser.parse_args()
    published = PublishedVAE(arguments.model_repository)
    paintings = read_paintings(arguments.paintings, published.network["side"])
    test = paintings.indices("test")
    spread = test[:: -(-len(test) // arguments.images)]  # over all movements
    images = paintings.images[spread].permute(0, 2, 3, 1).contiguous().numpy()
    with TritonServer(arguments.model_repository) as server, Client(server.grpc_url) as art:
        figures = compression(art, images)
    result = {
        "model": {"version": published.version, "sha256": published.checksums},
        "images": len(images),
        "steps": figures,
    }
    arguments.output.write_text(json.dumps(result, indent=1) + "\n")
    print(compression_table(result))


if __name__ == "__main__":
    main()
