"""Whether ONNX Runtime gives the pictures that PyTorch gives."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from atelier_export.onnx_runtime import cpu_session
from atelier_export.style.graph import ServedStyle
from atelier_export.style.network import StyleNetwork

LARGEST_DIFFERENCE = 1
"""How far a served value may be from PyTorch's, of 255: one rounding apart."""
SIZES = ((16, 16), (17, 31), (63, 48), (130, 190), (256, 256), (512, 384))
"""Heights and widths that are compared, each with a batch of one, of two and of three."""
SEED = 20160327


class ParityError(Exception):
    """The exported graph does not give the pictures that the network gives."""


@dataclass(frozen=True)
class ParityCase:
    """What was measured for one batch.

    Attributes:
        batch: Pictures in the batch.
        height: Their height in pixels.
        width: Their width in pixels.
        largest_difference: Between two values of a pixel, of 255.
        differing: Share of the pixels that differ in any of their values, 0..1.
    """

    batch: int
    height: int
    width: int
    largest_difference: int
    differing: float


def measure_parity(
    network: StyleNetwork, graph: bytes, sizes: Sequence[tuple[int, int]] = SIZES
) -> list[ParityCase]:
    """Compares an exported graph in ONNX Runtime with its network in PyTorch, on the CPU.

    The `style_mixtures` follow each other from picture to picture; at the first size all of them
    are seen.

    Args:
        network: The network as it was trained.
        graph: The ONNX model that `style_graph` made of it.
        sizes: Heights and widths to compare.

    Raises:
        ParityError: A value differs by more than one, or a picture comes back in another size.
        ValueError: ONNX Runtime refuses the graph.
    """
    session = cpu_session(graph)
    reference = ServedStyle(network).eval()
    mixtures = style_mixtures(network.config.styles)
    styles = itertools.cycle(mixtures)
    generator = torch.Generator().manual_seed(SEED)
    batches = [(3, *sizes[0])] * -(-len(mixtures) // 3)
    batches += [(batch, *size) for size in sizes for batch in (1, 2, 3)]
    cases = []
    for batch, height, width in batches:
        image = torch.cat([photograph_like(height, width, generator) for _ in range(batch)])
        style = torch.stack(list(itertools.islice(styles, batch)))
        with torch.inference_mode():
            expected = reference(image, style).numpy()
        feed = {"image": image.numpy(), "style": style.numpy()}
        (served,) = session.run(["stylized"], feed)
        if served.shape != expected.shape:
            raise ParityError(f"{expected.shape} came back from ONNX Runtime as {served.shape}")
        difference = np.abs(served.astype(np.int16) - expected.astype(np.int16))
        case = ParityCase(
            batch,
            height,
            width,
            int(difference.max()),
            round(float((difference.max(axis=-1) > 0).mean()), 6),
        )
        if case.largest_difference > LARGEST_DIFFERENCE:
            raise ParityError(
                f"ONNX Runtime differs from PyTorch by {case.largest_difference} of 255 in a batch "
                f"of {batch} at {height}×{width} pixels ({case.differing:.1%} of the pixels "
                f"differ); at most {LARGEST_DIFFERENCE} is allowed"
            )
        cases.append(case)
    return cases


def style_mixtures(styles: int) -> list[Tensor]:
    """What a request can ask for, (S,) float32 each.

    Each style alone, all in equal and all in unequal parts; then the first one at the strengths 0,
    1/2 and 2, the least and the greatest that are served among them.
    """
    alone = torch.eye(styles)
    unequal = torch.arange(1, styles + 1, dtype=torch.float32)
    mixed = [alone.mean(dim=0), unequal / unequal.sum()]
    return [*alone, *mixed, *(strength * alone[0] for strength in (0, 0.5, 2))]


def photograph_like(height: int, width: int, generator: torch.Generator) -> Tensor:
    """A random picture with a photograph's spectrum (amplitude falls as frequency rises) and grain.

    Returns:
        (1, height, width, 3) uint8, over the whole range from black to white.
    """
    picture = sum(_octaves(height, width, generator), torch.zeros(1, 3, height, width))
    low, high = picture.amin(), picture.amax()
    picture = (picture - low) / (high - low) * 255
    picture += 4 * torch.randn(picture.shape, generator=generator)
    return picture.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def _octaves(height: int, width: int, generator: torch.Generator) -> Iterator[Tensor]:
    cells = 2
    while cells <= min(height, width):
        noise = torch.randn(1, 3, cells, cells, generator=generator)
        yield F.interpolate(noise, (height, width), mode="bicubic") / cells
        cells *= 2
