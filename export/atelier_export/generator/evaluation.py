"""How good, how varied and how new the images of the published generator are."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from torch import Tensor

from atelier_export.data.images import Pixels
from atelier_export.data.paintings import read_paintings
from atelier_export.generator.checkpoint import load_generator_checkpoint
from atelier_export.generator.judge import Judge, Judgement
from atelier_export.generator.measures import (
    Features,
    frechet_distance,
    nearest,
    pairwise_distance,
)
from atelier_export.generator.painter import LARGEST_TRUNCATION, draw_latents
from atelier_export.generator.published import PublishedGenerator
from atelier_export.generator.report import evaluation_tables
from atelier_export.generator.sheets import movement_sheet, nearest_sheet, walk_sheet
from atelier_export.onnx_graph.cost import milliseconds
from atelier_export.publishing.manifest import sha256
from atelier_export.reports.model_card import write_evaluation
from atelier_export.settings import Settings, setting

TRUNCATIONS = (LARGEST_TRUNCATION, 1.0, 0.5)
"""The first is as good as none, and the one of all figures that name no other."""
QUANTILES = (0.01, 0.1, 0.5, 0.9)
"""Of the distances to the nearest training painting."""
THUMBNAIL_SIDE = 16
"""Side in pixels of the thumbnails in which copies are looked for."""
COMPARED = 16
"""Samples that are shown beside their nearest training paintings."""
SEED = 20140610
"""Of all samples."""


@dataclass(frozen=True)
class GeneratorEvaluationData(Settings):
    """What an evaluation reads and writes.

    Attributes:
        paintings: Folder or uncompressed tar archive, the training's.
        classifier: Checkpoint of the classifier in whose feature space distances are measured.
        model_repository: Where the model `generator` is published.
        digits_checkpoint: What `atelier train digits-generator` wrote; without, it is left out.
        output: The JSON file to write; the sheets samples.jpg, nearest.jpg and walks.jpg are
            written beside it.
    """

    paintings: Path = setting(help="Folder or uncompressed tar, the training's.", path="either")
    classifier: Path = setting(
        Path("export/checkpoints/classifier/classifier.safetensors"),
        "Checkpoint of the classifier that judges.", path="file",
    )  # fmt: skip
    model_repository: Path = setting(
        Path("model_repository"), "Where the model generator is published.", path="folder"
    )
    digits_checkpoint: Path | None = setting(
        None, "What train digits-generator wrote.  [default: left out]", path="file"
    )
    output: Path = setting(
        Path("export/checkpoints/generator/evaluation.json"), "The JSON file to write.",
        path="new_file", metavar="OUT", short="-o",
    )  # fmt: skip


def evaluate(data: GeneratorEvaluationData) -> str:
    """Measure the newest version of the model `generator`.

    In the feature space of the classifier: the Fréchet distance from the training paintings, beside
    that of test paintings; the variety; the share of samples whose movement is recognised; and the
    distances to the nearest training painting, to see whether it copies. Writes all of it to OUT,
    sheets beside it, and prints tables for the model card.
    """
    result = evaluate_generator(data)
    write_evaluation(result, data.output)
    return "\n\n".join(evaluation_tables(result).values())


def evaluate_generator(data: GeneratorEvaluationData) -> dict[str, Any]:
    """Measures the published model and draws its sheets.

    Args:
        data: What to read, and where to write the sheets.

    Returns:
        Plain JSON.

    Raises:
        OSError: A file cannot be read or written.
        ValueError: An input cannot be used.
    """
    digits = _digits(data.digits_checkpoint) if data.digits_checkpoint else None
    published = PublishedGenerator(data.model_repository)
    judge = Judge(data.classifier, published.movements)
    paintings = read_paintings(data.paintings, published.side)
    of_training, of_test = paintings.indices("training"), paintings.indices("test")
    training, test = judge(paintings.images[of_training]), judge(paintings.images[of_test])
    training_labels = paintings.labels[of_training].numpy()
    labels = paintings.labels[of_test].numpy()

    # As many samples of each movement as there are test paintings, for distances to compare
    random = np.random.default_rng(SEED)
    pictures, samples = {}, {}
    for truncation in TRUNCATIONS:
        latents = draw_latents(random, len(labels), published.latent, truncation)
        pictures[truncation] = published.paint(latents, labels)
        samples[truncation] = judge(_nchw(pictures[truncation]))
    picture, sample = pictures[TRUNCATIONS[0]], samples[TRUNCATIONS[0]]

    # Copies
    spaces = {
        "features": (training.features, sample.features, test.features),
        "thumbnails": (
            thumbnails(paintings.images[of_training]),
            thumbnails(_nchw(picture)),
            thumbnails(paintings.images[of_test]),
        ),
    }
    few = np.linspace(0, len(labels) - 1, min(COMPARED, len(labels))).astype(int)  # all movements
    neighbours = {
        f"nearest by {space}": paintings.images[of_training[nearest(vectors[few], known)[1]]]
        for space, (known, vectors, _) in spaces.items()
    }

    # Sheets
    for name, sheet in (
        ("samples", movement_sheet(published, SEED)),
        ("nearest", nearest_sheet(_nchw(picture[few]), neighbours)),
        ("walks", walk_sheet(published, SEED)),
    ):
        sheet.save(data.output.with_name(f"{name}.jpg"), quality=90)

    result: dict[str, Any] = {
        "model": {"version": published.version, "sha256": published.checksum},
        "classifier": sha256(data.classifier.read_bytes()),
        "images": {"training": len(of_training), "test": len(of_test)},
        "test": set_figures(test, labels, training),
        "samples": {
            str(truncation): set_figures(each, labels, training)
            for truncation, each in samples.items()
        },
        "movements": {
            movement: {
                "images": int((labels == number).sum()),
                **{
                    name: _of_class(each, labels, training, training_labels, number)
                    for name, each in (("test", test), ("samples", sample))
                },
            }
            for number, movement in enumerate(published.movements)
        },
        "nearest": {
            space: {
                name: np.quantile(nearest(vectors, known)[0], QUANTILES).tolist()
                for name, vectors in (("samples", samples_), ("test", test_))
            }
            for space, (known, samples_, test_) in spaces.items()
        },
        "quantiles": QUANTILES,
        "milliseconds": _milliseconds(published),
    }
    if digits is not None:
        result["digits"] = digits
    return result


def set_figures(
    judged: Judgement, labels: NDArray[np.int64], reference: Judgement
) -> dict[str, float | None]:
    """Figures of a set of images, as plain JSON.

    Args:
        judged: What the classifier says of n images.
        labels: Their movements, (n,).
        reference: What it says of the images to be near to.

    Returns:
        Fréchet distance from the reference and mean distance of two images (None of less than two),
        and share of the images whose movement is recognised (None of no image).
    """
    several = min(len(labels), len(reference.features)) > 1
    return {
        "frechet_distance": (
            frechet_distance(reference.features, judged.features) if several else None
        ),
        "diversity": pairwise_distance(judged.features) if len(labels) > 1 else None,
        "recognised": float((judged.classes == labels).mean()) if len(labels) else None,
    }


def _of_class(
    judged: Judgement,
    labels: NDArray[np.int64],
    reference: Judgement,
    reference_labels: NDArray[np.int64],
    number: int,
) -> dict[str, float | None]:
    here = labels == number
    return set_figures(
        judged.where(here), labels[here], reference.where(reference_labels == number)
    )


def thumbnails(images: Tensor) -> Features:
    """Images (n, 3, N, N) uint8 as vectors (n, F) of their mean colours, in levels."""
    small = [
        F.adaptive_avg_pool2d(some.float(), THUMBNAIL_SIDE) for some in torch.split(images, 256)
    ]
    vectors: Features = torch.cat(small).flatten(1).numpy()
    return vectors


def _nchw(images: Pixels) -> Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def _milliseconds(published: PublishedGenerator) -> float:
    """Of one image with one thread."""
    feed: dict[str, NDArray[Any]] = {
        "latent": np.zeros((1, published.latent), np.float32),
        "movement": np.zeros((1, 1), np.int64),
    }
    return milliseconds({"generator": published.graph}, feed, threads=1)["generator"]


def _digits(checkpoint: Path) -> dict[str, Any]:
    training = load_generator_checkpoint(checkpoint).training
    if "test" not in training:
        raise ValueError(f"{checkpoint} was not trained on digits")
    return {**training["test"], "steps": training["steps"]}
