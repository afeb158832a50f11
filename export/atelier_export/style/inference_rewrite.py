"""Inference rewrite of the style network: upsampling + convolution → polyphase convolution.

Two identities (to rounding) save time in ONNX Runtime. Both compute the four phases of the output
(even and odd rows, even and odd columns) at half its resolution:

- Processors compute channels in blocks of 8 or 16, most of which a convolution with three outputs
  leaves empty. As a convolution of stride two it has twelve outputs.
- After nearest-neighbour resizing by two, a convolution sees each pixel several times. With its
  weights summed beforehand, a 3×3 convolution is a 2×2 convolution for each phase, 4/9 of the work,
  and a 5×5 one a 3×3 one, 9/25 (the sub-pixel convolution of Shi et al. 2016, arXiv:1609.07009).
"""

import copy

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from atelier_export.style.network import Head, StyleNetwork, UpsampledConv, UpsampledHead

# The taps of a row that read the same source pixel, for the even and the odd phase.
_MERGED_TAPS = {
    3: [
        [[1, 0, 0], [0, 1, 1]],
        [[1, 1, 0], [0, 0, 1]],
    ],
    5: [
        [[1, 1, 0, 0, 0], [0, 0, 1, 1, 0], [0, 0, 0, 0, 1]],
        [[1, 0, 0, 0, 0], [0, 1, 1, 0, 0], [0, 0, 0, 1, 1]],
    ],
}


def _merge_taps(weight: Tensor, order: str) -> Tensor:
    """The kernels of the four phases of a convolution that follows nearest-neighbour resizing.

    Args:
        weight: (O, I, K, K) with K 3 or 5.
        order: The axes of the result: p and q, the phases of rows and columns; o, i; a and b, the
            rows and columns of the merged kernel.
    """
    taps = torch.tensor(_MERGED_TAPS[weight.shape[-1]], dtype=torch.float64)
    # In float64, so that the order of summation, which varies with the processor, has no effect.
    merged = torch.einsum(f"pau,qbv,oiuv->{order}", taps, taps, weight.detach().double())
    return merged.float()


def rewrite_for_inference(network: StyleNetwork) -> StyleNetwork:
    """A copy of the network that computes the same images (to rounding) in less time."""
    fast = copy.deepcopy(network)
    for number, up in enumerate(network.up):
        assert isinstance(up, UpsampledConv)
        fast.up[number] = PolyphaseUpsampledConv(up)
    if isinstance(network.head, Head):
        fast.add_module("head", PolyphaseHead(network.head))
    else:
        fast.add_module("head", PolyphaseUpsampledHead(network.head))
    return fast.eval()


class PolyphaseHead(nn.Module):
    """A `Head`, computed as a convolution of stride two and a pixel shuffle."""

    def __init__(self, head: Head) -> None:
        super().__init__()
        conv = head.conv
        outputs, inputs, kernel, _ = conv.weight.shape
        weight = conv.weight.new_zeros(outputs, 2, 2, inputs, kernel + 1, kernel + 1)
        for row in range(2):
            for column in range(2):
                phase = weight[:, row, column]  # (outputs, inputs, kernel + 1, kernel + 1)
                phase[:, :, row : row + kernel, column : column + kernel] = conv.weight.detach()
        assert conv.bias is not None
        self.register_buffer("weight", weight.flatten(0, 2))
        self.register_buffer("bias", conv.bias.detach().repeat_interleave(4))
        self.padding = [kernel // 2] * 4

    weight: Tensor
    bias: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, inputs, H, W) to (B, outputs, H, W), both even."""
        x = F.pad(x, self.padding, mode="reflect")
        return F.pixel_shuffle(F.conv2d(x, self.weight, self.bias, stride=2), 2)


class PolyphaseUpsampledHead(nn.Module):
    """An `UpsampledHead`, computed before the resizing instead of after it."""

    def __init__(self, head: UpsampledHead) -> None:
        super().__init__()
        assert head.conv.bias is not None
        weight = _merge_taps(head.conv.weight, "opqiab")
        self.register_buffer("weight", weight.flatten(0, 2))  # (4·3, inputs, 3, 3)
        self.register_buffer("bias", head.conv.bias.detach().repeat_interleave(4))

    weight: Tensor
    bias: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, inputs, H, W) to (B, 3, 2·H, 2·W)."""
        x = F.pad(x, [1, 1, 1, 1], mode="replicate")
        return F.pixel_shuffle(F.conv2d(x, self.weight, self.bias), 2)


class PolyphaseUpsampledConv(nn.Module):
    """An `UpsampledConv` with a 3×3 kernel, computed before the resizing instead of after it."""

    def __init__(self, upsampled: UpsampledConv) -> None:
        super().__init__()
        weight = _merge_taps(upsampled.conv.weight, "pqoiab")
        self.register_buffer("weight", weight.flatten(0, 2))  # (4·outputs, inputs, 2, 2)
        self.norm = upsampled.norm

    weight: Tensor

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Maps (B, inputs, H, W) to (B, outputs, 2·H, 2·W)."""
        # Reflection after the resizing repeats the outermost pixel, as replication before it.
        x = F.pad(x, [1, 1, 1, 1], mode="replicate")  # (B, inputs, H + 2, W + 2)
        # Even rows look at the pixel above, odd rows at the one below; columns alike.
        even_even, even_odd, odd_even, odd_odd = F.conv2d(x, self.weight).chunk(4, dim=1)
        even = torch.stack([even_even[..., :-1, :-1], even_odd[..., :-1, 1:]], dim=-1)
        odd = torch.stack([odd_even[..., 1:, :-1], odd_odd[..., 1:, 1:]], dim=-1)
        rows = torch.stack([even, odd], dim=3)  # (B, outputs, H, 2, W, 2)
        y: Tensor = self.norm(rows.flatten(4, 5).flatten(2, 3), style)
        return y
