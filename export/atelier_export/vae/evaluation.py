"""How good the published autoencoder is on paintings that it was not trained on."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from atelier_export.data.images import Pixels
from atelier_export.data.paintings import read_paintings
from atelier_export.onnx_graph.cost import milliseconds
from atelier_export.reports.model_card import write_evaluation
from atelier_export.settings import Settings, setting
from atelier_export.vae.bounds import bits_per_dimension, kl_divergence
from atelier_export.vae.checkpoint import load_vae_checkpoint
from atelier_export.vae.corruption import damaged_pixels, noisy_pixels, random_holes
from atelier_export.vae.image_quality import psnr, quality_figures
from atelier_export.vae.likelihood import DiscretisedLaplace
from atelier_export.vae.published import PublishedVAE
from atelier_export.vae.report import evaluation_tables
from atelier_export.vae.restoration import (
    biharmonic,
    median_filter,
    non_local_means,
    pull_push,
)
from atelier_export.vae.sheets import morph_sheet, restored_sheet, variation_sheet
from atelier_export.vae.walks import morph_figures, variation_figures

SIGMAS = (10, 25, 50)
"""Standard deviations of the noise, of 255."""
SEED = 20170204
"""Of noise, holes and samples."""
HOLE_METHODS = ("grey", "vae", "smooth", "vae_from_smooth", "biharmonic")
"""What fills the holes."""
SHOWN = 7
"""Images of a sample sheet."""


@dataclass(frozen=True)
class VAEEvaluationData(Settings):
    """What an evaluation reads and writes.

    Attributes:
        paintings: Folder or uncompressed tar archive, the training's.
        model_repository: Where `vae_encoder` and `vae_decoder` are published.
        restored: Test paintings, at most, that noise and holes are mended on: the methods to
            compare with are slow.
        digits_checkpoint: What `atelier train digits-vae` wrote; without, it is left out.
        compression: What `bench/compression.py` wrote; without, it is left out.
        output: The JSON file to write.
    """

    paintings: Path = setting(help="Folder or uncompressed tar, the training's.", path="either")
    model_repository: Path = setting(
        Path("model_repository"), "Where vae_encoder and vae_decoder are published.", path="folder"
    )
    restored: int = setting(200, "Test paintings, at most, with noise and holes.", minimum=1)
    digits_checkpoint: Path | None = setting(
        None, "What train digits-vae wrote.  [default: left out]", path="file"
    )
    compression: Path | None = setting(
        None, "What bench/compression.py wrote.  [default: left out]", path="file"
    )
    output: Path = setting(
        Path("export/checkpoints/vae/evaluation.json"), "The JSON file to write.",
        path="new_file", metavar="OUT", short="-o",
    )  # fmt: skip


def evaluate(data: VAEEvaluationData) -> str:
    """Measure the newest version of the models `vae_encoder` and `vae_decoder`.

    On paintings that the training left out: PSNR and SSIM of what is rebuilt, KL divergence and
    bits a dimension; noise and holes that are mended, beside classic methods; morphs and
    variations; and what a request costs. Writes all of it to OUT, sample sheets beside it, and
    prints tables for the model card.
    """
    published = PublishedVAE(data.model_repository)
    images = held_out_paintings(data, published.network["side"])
    result = evaluate_vae(data, published, images)
    write_evaluation(result, data.output)
    for name, sheet in sample_sheets(published, images).items():
        sheet.save(data.output.with_name(name), quality=88)
    return "\n\n".join(evaluation_tables(result).values())


def held_out_paintings(data: VAEEvaluationData, side: int) -> Pixels:
    """The paintings of the test part, (n, N, N, 3) with N = `side`; raises as `read_paintings`."""
    paintings = read_paintings(data.paintings, side)
    test = paintings.images[paintings.indices("test")]
    pixels: Pixels = test.permute(0, 2, 3, 1).contiguous().numpy()
    return pixels


def sample_sheets(published: PublishedVAE, images: Pixels) -> dict[str, Image.Image]:
    """Sheets by the names of their files, of some of the images (n, N, N, 3)."""
    shown = images[:: -(-len(images) // SHOWN)]
    return {
        "restored.jpg": restored_sheet(published, shown, SEED),
        "morphs.jpg": morph_sheet(published, shown),
        "variations.jpg": variation_sheet(published, shown, SEED),
    }


def evaluate_vae(
    data: VAEEvaluationData, published: PublishedVAE, images: Pixels
) -> dict[str, Any]:
    """Measures the published models and what stands beside them.

    Args:
        data: What to read.
        published: The models.
        images: The test part, (n, N, N, 3).

    Returns:
        Plain JSON.

    Raises:
        OSError: A file cannot be read or written.
        ValueError: An input cannot be used.
    """
    model = {"version": published.version, "sha256": published.checksums}
    # What can be refused comes first; the measurements take minutes.
    measured_elsewhere = {}
    if data.digits_checkpoint is not None:
        measured_elsewhere["digits"] = _digits(data.digits_checkpoint)
    if data.compression is not None:
        measured_elsewhere["compression"] = _compression(data.compression, model)
    few = images[:: -(-len(images) // data.restored)]  # spread over all movements
    return {
        "model": model,
        "reconstruction": {
            "images": len(images),
            **quality_figures(images, published.rebuild(images)),
            **bound_figures(published, images),
        },
        "restored_images": len(few),
        "noise": {str(sigma): noise_figures(published, few, sigma) for sigma in SIGMAS},
        "holes": hole_figures(published, few),
        "morph": morph_figures(published, few),
        "variation": variation_figures(published, few, SEED),
        "milliseconds": _milliseconds(published, images[:1]),
        **measured_elsewhere,
    }


def _digits(checkpoint: Path) -> dict[str, Any]:
    training = load_vae_checkpoint(checkpoint).training
    if "test" not in training:
        raise ValueError(f"{checkpoint} was not trained on digits")
    return {**training["test"], "steps": training["steps"]}


def bound_figures(published: PublishedVAE, images: Pixels) -> dict[str, float]:
    """Means of the KL divergence in nats, of the ELBO in nats, and in bits a dimension.

    The ELBO is that of the published graphs: its likelihood is centred at the decoder's pixels,
    rounded as they are.

    Args:
        published: The models.
        images: (n, N, N, 3).
    """
    likelihood = DiscretisedLaplace()
    torch.nn.init.constant_(likelihood.log_scale, math.log(published.scale))
    mean, log_variance = published.encode(images)  # (n, L) each
    noise = np.random.default_rng(SEED).standard_normal(mean.shape, np.float32)
    location = published.decode(mean + np.exp(log_variance / 2) * noise)  # (n, N, N, 3)
    kl = kl_divergence(torch.from_numpy(mean), torch.from_numpy(log_variance)).mean()
    with torch.no_grad():
        reconstruction = torch.cat(
            [
                likelihood(_nchw(center) - 0.5, _nchw(image))
                for center, image in zip(location[:, None], images[:, None], strict=True)
            ]
        ).mean()
    elbo = reconstruction - kl
    bits = bits_per_dimension(-elbo, images[0].size)
    return {"kl": float(kl), "elbo": float(elbo), "bits_per_dimension": float(bits)}


def _compression(file: Path, model: dict[str, Any]) -> dict[str, Any]:
    """The figures of `bench/compression.py`, unless they are of other models than these."""
    figures: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    if figures.pop("model", None) != model:
        raise ValueError(f"{file} is not of these models; run bench/compression.py again")
    return figures


def _nchw(images: Pixels) -> torch.Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255


def noise_figures(published: PublishedVAE, images: Pixels, sigma: float) -> dict[str, Any]:
    """PSNR and SSIM of noisy images (n, N, N, 3), and after each method."""
    random = np.random.default_rng((SEED, round(sigma)))
    noisy = noisy_pixels(images, sigma, random)
    methods: dict[str, Iterable[Pixels]] = {
        "noisy": noisy,
        "vae": published.rebuild(noisy),
        "median": [median_filter(each) for each in noisy],
        "non_local_means": [non_local_means(each, sigma) for each in noisy],
    }
    return {name: quality_figures(images, each) for name, each in methods.items()}


def hole_figures(published: PublishedVAE, images: Pixels) -> dict[str, float]:
    """Mean PSNR inside the holes of images (n, N, N, 3): grey, and after each method.

    The autoencoder mends grey holes, which it has to find, and holes that were filled smoothly.
    """
    found: dict[str, list[float]] = {name: [] for name in HOLE_METHODS}
    for place, image in enumerate(images):
        random = np.random.default_rng((SEED, place))
        where = random_holes(image.shape[0], random)[0].numpy()  # (N, N)
        grey = damaged_pixels(image, where)
        smooth = pull_push(grey, where)
        rebuilt = published.rebuild(np.stack([grey, smooth]))
        filled = (grey, rebuilt[0], smooth, rebuilt[1], biharmonic(grey, where))
        for name, each in zip(HOLE_METHODS, filled, strict=True):
            found[name].append(psnr(image, each, where))
    return {name: float(np.mean(each)) for name, each in found.items()}


def _milliseconds(published: PublishedVAE, image: Pixels) -> dict[str, float]:
    """Of one image with one thread, by model."""
    feeds: dict[str, dict[str, NDArray[Any]]] = {
        "vae_encoder": {"image": image},
        "vae_decoder": {"latent": published.encode(image)[0]},
    }
    return {
        name: milliseconds({name: published.graphs[name]}, feed, threads=1)[name]
        for name, feed in feeds.items()
    }
