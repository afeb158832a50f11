"""The style network rewritten for speed: the same function, fewer multiplications.

Two identities (to rounding) take about a quarter off the time in ONNX Runtime. Both compute the
four phases of the output (even and odd rows, even and odd columns) at half its resolution:

- A convolution with three outputs leaves most of each block of 8 or 16 channels empty that
  processors compute together. As a convolution of stride two with twelve outputs it does not.
- After nearest-neighbour resizing by two, a 3×3 convolution sees each pixel up to four times. With
  its weights summed beforehand it is a 2×2 convolution for each phase, 4/9 of the work
  (the sub-pixel convolution of Shi et al. 2016, arXiv:1609.07009).
"""

import copy

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from atelier_export.style_network import StyleNetwork, UpsampledConv

# Which of the three taps of a row meet the same source pixel, for the even and the odd phase.
_MERGED_TAPS = torch.tensor(
    [
        [[1, 0, 0], [0, 1, 1]],
        [[1, 1, 0], [0, 0, 1]],
    ],
    dtype=torch.float64,
)


def rewrite_for_inference(network: StyleNetwork) -> StyleNetwork:
    """A copy of the network that computes the same pictures (to rounding) in less time."""
    fast = copy.deepcopy(network)
    fast.add_module("up1", PolyphaseUpsampledConv(network.up1))
    fast.add_module("up2", PolyphaseUpsampledConv(network.up2))
    fast.add_module("head", PolyphaseConv(network.head))
    return fast.eval()


class PolyphaseConv(nn.Module):
    """A square convolution of stride one, computed as one of stride two and a pixel shuffle."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        outputs, inputs, kernel, _ = conv.weight.shape
        weight = conv.weight.new_zeros(outputs, 2, 2, inputs, kernel + 1, kernel + 1)
        for row in range(2):
            for column in range(2):
                phase = weight[:, row, column]  # (outputs, inputs, kernel + 1, kernel + 1)
                phase[:, :, row : row + kernel, column : column + kernel] = conv.weight.detach()
        bias = conv.weight.new_zeros(outputs) if conv.bias is None else conv.bias.detach()
        self.register_buffer("weight", weight.flatten(0, 2))
        self.register_buffer("bias", bias.repeat_interleave(4))

    weight: Tensor
    bias: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, inputs, H, W) to (B, outputs, H − kernel + 1, W − kernel + 1), both even."""
        phases = F.conv2d(x, self.weight, self.bias, stride=2)  # (B, 4·outputs, …/2, …/2)
        return F.pixel_shuffle(phases, 2)


class PolyphaseUpsampledConv(nn.Module):
    """An `UpsampledConv` with a 3×3 kernel, computed before the resizing instead of after it."""

    def __init__(self, upsampled: UpsampledConv) -> None:
        super().__init__()
        # In float64, so that the order of the sums, which a processor chooses, leaves no trace.
        phases = torch.einsum(
            "pau,qbv,oiuv->pqoiab",
            _MERGED_TAPS,
            _MERGED_TAPS,
            upsampled.conv.weight.detach().double(),
        )
        self.register_buffer("weight", phases.flatten(0, 2).float())  # (4·outputs, inputs, 2, 2)
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
