"""Calibration of the autoencoder's 8-bit files: ranges, and the quality that they give."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atelier_export.data.paintings import read_paintings
from atelier_export.onnx_graph.cost import milliseconds
from atelier_export.onnx_graph.export import export_graph
from atelier_export.onnx_graph.quantisation import measure_ranges, quantise, without
from atelier_export.publishing.calibration import Calibration, calibration_file
from atelier_export.publishing.manifest import sha256
from atelier_export.publishing.served_model import ConvRange
from atelier_export.settings import Settings, setting
from atelier_export.vae.checkpoint import load_vae_checkpoint
from atelier_export.vae.image_quality import quality_figures
from atelier_export.vae.int8 import VAEQuality
from atelier_export.vae.published import VAEGraphs
from atelier_export.vae.report import int8_table
from atelier_export.vae.serving import decoder_graph, encoder_graph

SEED = 20131220
"""Of the latents that are no painting's."""
SAMPLES = 0.2
"""Share of such latents among those that the decoder's ranges are measured on."""


@dataclass(frozen=True)
class CalibrationData(Settings):
    """What a calibration reads.

    Attributes:
        paintings: Folder or uncompressed tar archive, the training's.
        checkpoint: The networks; the calibration is written beside them.
        count: Paintings of the training that the ranges are measured on.
    """

    paintings: Path = setting(help="Folder or uncompressed tar, the training's.", path="either")
    checkpoint: Path = setting(
        Path("export/checkpoints/vae/vae.safetensors"), "The networks.", path="file"
    )
    count: int = setting(200, "Paintings that the ranges are measured on.", minimum=1)


def calibrate(data: CalibrationData) -> str:
    """Measure how the autoencoder is put into 8 bits.

    Measures the ranges of its convolutions on training paintings, their latents and samples of the
    prior and, on the test part, what 8 bits change. Writes both beside the checkpoint, from where
    `atelier export vae` takes them, and prints a table for the model card.
    """
    network = load_vae_checkpoint(data.checkpoint).network
    encoder, decoder = (
        export_graph(graph) for graph in (encoder_graph(network), decoder_graph(network))
    )
    float32 = VAEGraphs(encoder, decoder)
    paintings = read_paintings(data.paintings, network.config.side)
    pixels = paintings.images.permute(0, 2, 3, 1).contiguous().numpy()  # (n, N, N, 3)
    training = pixels[paintings.indices("training").numpy()]
    test = pixels[paintings.indices("test").numpy()]

    # Ranges
    chosen = training[np.linspace(0, len(training) - 1, min(data.count, len(training))).astype(int)]
    latents = float32.encode(chosen)[0]  # (n, L)
    samples = np.random.default_rng(SEED).standard_normal(latents.shape, np.float32)
    latents = np.concatenate([latents, samples[: round(SAMPLES * len(samples))]])
    ranges = {
        "vae_encoder": _inner_ranges(encoder, ({"image": each[None]} for each in chosen)),
        "vae_decoder": _inner_ranges(decoder, ({"latent": each[None]} for each in latents)),
    }

    # Quality
    graphs = {
        "vae_encoder": {"float32": encoder, "int8": quantise(encoder, ranges["vae_encoder"])},
        "vae_decoder": {"float32": decoder, "int8": quantise(decoder, ranges["vae_decoder"])},
    }
    int8 = VAEGraphs(graphs["vae_encoder"]["int8"], graphs["vae_decoder"]["int8"])
    latents = float32.encode(test)[0]
    exact, coarse = float32.decode(latents), int8.decode(latents)
    difference = np.abs(exact - coarse.astype(np.float32))
    feeds = {"vae_encoder": {"image": test[:1]}, "vae_decoder": {"latent": latents[:1]}}
    quality = VAEQuality(
        float32=quality_figures(test, exact),
        int8=quality_figures(test, int8.rebuild(test)),
        mean_difference=float(difference.mean()),
        largest_difference=float(difference.max()),
        paintings=len(test),
        milliseconds={
            name: milliseconds(graphs[name], feed, threads=1) for name, feed in feeds.items()
        },
    )
    Calibration(sha256(data.checkpoint.read_bytes()), ranges, quality).save(
        calibration_file(data.checkpoint)
    )
    quality.check()
    return int8_table(quality)


def _inner_ranges(
    graph: bytes, batches: Iterable[Mapping[str, NDArray[Any]]]
) -> dict[str, ConvRange]:
    """All ranges but those of the first and the last convolution.

    These stay in float32: they are at the image and at the latent, whose steps would be too coarse.
    """
    ranges = measure_ranges(graph, batches)
    first, *_, last = ranges
    return without(ranges, {first, last})
