"""Inference rewrite of the style network: the same images (to rounding) in less time.

Processors compute channels in blocks of 8 or 16, and a copy of an activation costs as much as a
layer of arithmetic on it. So:

- Upsampling + convolution → polyphase convolution. After nearest-neighbour resizing by two, a
  convolution sees each pixel several times. With its weights summed beforehand, a 3×3 convolution
  is a 2×2 convolution for each of the four phases of the output (even and odd rows, even and odd
  columns), 4/9 of the work, and a 5×5 one a 3×3 one, 9/25 (the sub-pixel convolution of Shi et al.
  2016, arXiv:1609.07009). The head gets twelve output channels in place of three.
- One matrix product mixes the scales and shifts of all layers, and the normalisation applies them
  itself: a batch of B images of C channels is one image of B·C channels to it.
- Patches and phases are rearranged channels last, where whole rows of channels move together.
"""

import copy
import itertools
from collections.abc import Iterable, Iterator

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from atelier_export.style.network import (
    Blocks,
    ConditionalInstanceNorm,
    Head,
    StyledConv,
    StyleNetwork,
    UpsampledHead,
)

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


def _interleave(phases: Tensor) -> Tensor:
    """Pixel shuffle by two, from (B, 2·2·C, H, W) with the phases first to (B, C, 2·H, 2·W)."""
    phases = phases.permute(0, 2, 3, 1)  # (B, H, W, 4·C)
    batch, height, width, channels = phases.shape
    lines = phases.reshape(batch, height, width, 2, channels // 2).transpose(2, 3)
    pixels = lines.reshape(batch, 2 * height, 2 * width, channels // 4)
    return pixels.permute(0, 3, 1, 2)


def _modulate(x: Tensor, rows: Iterator[Tensor]) -> Tensor:
    """Instance normalisation of `x` (B, C, H, W) with the next scale and shift, (B, C) each."""
    scale, shift = next(rows), next(rows)
    channels = x.reshape(1, -1, *x.shape[2:])  # (1, B·C, H, W)
    channels = F.instance_norm(
        channels,
        weight=scale.reshape(-1),
        bias=shift.reshape(-1),
        eps=ConditionalInstanceNorm.EPSILON,
    )
    return channels.reshape(-1, *x.shape[1:])


class ModulatedConv(nn.Module):
    """A `StyledConv` that is given its scale and shift: the next two of `rows`."""

    def __init__(self, styled: StyledConv) -> None:
        super().__init__()
        self.conv = styled.conv
        self.padding = styled.padding

    def forward(self, x: Tensor, rows: Iterator[Tensor]) -> Tensor:
        """Maps (B, inputs, H, W) to (B, outputs, H/stride, W/stride)."""
        return _modulate(self.conv(F.pad(x, self.padding, mode="reflect")), rows)


class ModulatedBlock(nn.Module):
    """A `Block` whose convolutions are given their scales and shifts."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.convs = nn.ModuleList(map(ModulatedConv, _styled_convs([block])))

    def forward(self, x: Tensor, rows: Iterator[Tensor]) -> Tensor:
        """Keeps the shape (B, C, H, W)."""
        y = x
        for number, conv in enumerate(self.convs):
            y = conv(F.relu(y) if number else y, rows)
        return x + y


class PatchStem(ModulatedConv):
    """The stem's `StyledConv`, together with the gathering of patches that precedes it."""

    def __init__(self, styled: StyledConv, patch: int) -> None:
        super().__init__(styled)
        self.patch = patch
        weight = styled.conv.weight.detach()
        outputs, inputs, *kernel = weight.shape
        self.conv = copy.deepcopy(styled.conv)
        # The channels of a patch: its rows, its columns, the colours; the network's: colours first.
        weight = weight.reshape(outputs, 3, patch, patch, *kernel).permute(0, 2, 3, 1, 4, 5)
        self.conv.weight = nn.Parameter(weight.reshape(outputs, inputs, *kernel))

    def forward(self, x: Tensor, rows: Iterator[Tensor]) -> Tensor:
        """Maps (B, 3, H, W) to (B, outputs, H/patch, W/patch)."""
        x = x.permute(0, 2, 3, 1)
        batch, height, width, _ = x.shape
        side = self.patch
        lines = x.reshape(batch, height // side, side, width // side, 3 * side).transpose(2, 3)
        patches = lines.reshape(batch, height // side, width // side, 3 * side**2)
        return super().forward(patches.permute(0, 3, 1, 2), rows)


class PolyphaseHead(nn.Module):
    """A `Head`, computed as a convolution of stride two and a pixel shuffle."""

    def __init__(self, head: Head) -> None:
        super().__init__()
        conv = head.conv
        outputs, inputs, kernel, _ = conv.weight.shape
        weight = conv.weight.new_zeros(2, 2, outputs, inputs, kernel + 1, kernel + 1)
        for row, column in itertools.product(range(2), repeat=2):
            phase = weight[row, column]  # (outputs, inputs, kernel + 1, kernel + 1)
            phase[:, :, row : row + kernel, column : column + kernel] = conv.weight.detach()
        assert conv.bias is not None
        self.register_buffer("weight", weight.flatten(0, 2))
        self.register_buffer("bias", conv.bias.detach().repeat(4))
        self.padding = [kernel // 2] * 4

    weight: Tensor
    bias: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, inputs, H, W) to (B, outputs, H, W), both even."""
        x = F.pad(x, self.padding, mode="reflect")
        return _interleave(F.conv2d(x, self.weight, self.bias, stride=2))


class PolyphaseUpsampledHead(nn.Module):
    """An `UpsampledHead`, computed before the resizing instead of after it."""

    def __init__(self, head: UpsampledHead) -> None:
        super().__init__()
        assert head.conv.bias is not None
        weight = _merge_taps(head.conv.weight, "pqoiab")
        self.register_buffer("weight", weight.flatten(0, 2))  # (4·3, inputs, 3, 3)
        self.register_buffer("bias", head.conv.bias.detach().repeat(4))

    weight: Tensor
    bias: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, inputs, H, W) to (B, 3, 2·H, 2·W)."""
        x = F.pad(x, [1, 1, 1, 1], mode="replicate")
        return _interleave(F.conv2d(x, self.weight, self.bias))


class PolyphaseUpsampledConv(nn.Module):
    """An `UpsampledConv` with a 3×3 kernel, computed before the resizing instead of after it."""

    def __init__(self, upsampled: StyledConv) -> None:
        super().__init__()
        # Even rows look at the pixel above, odd rows at the one below, which the convolution gives
        # one position later; columns alike. With the phases reversed, the odd ones of a position
        # precede the even ones of the next, and all of them are in order from the second on.
        weight = _merge_taps(upsampled.conv.weight, "pqoiab").flip(0, 1)
        self.register_buffer("weight", weight.flatten(0, 2))  # (4·outputs, inputs, 2, 2)

    weight: Tensor

    def forward(self, x: Tensor, rows: Iterator[Tensor]) -> Tensor:
        """Maps (B, inputs, H, W) to (B, outputs, 2·H, 2·W)."""
        # Reflection after the resizing repeats the outermost pixel, as replication before it.
        x = F.pad(x, [1, 1, 1, 1], mode="replicate")  # (B, inputs, H + 2, W + 2)
        y = _interleave(F.conv2d(x, self.weight))  # (B, outputs, 2·H + 2, 2·W + 2)
        return _modulate(y[:, :, 1:-1, 1:-1], rows)


class InferenceStyleNetwork(nn.Module):
    """Computes what a `StyleNetwork` does, as described above."""

    def __init__(self, network: StyleNetwork) -> None:
        super().__init__()
        self.config = network.config
        self.stem = PatchStem(network.stem, network.config.patch)
        self.down = nn.ModuleList(map(ModulatedConv, _styled_convs(network.down)))
        self.blocks = nn.ModuleList(
            Blocks(map(ModulatedBlock, blocks.children())) for blocks in network.blocks
        )
        self.up = nn.ModuleList(map(PolyphaseUpsampledConv, _styled_convs(network.up)))
        self.head = (
            PolyphaseHead(network.head)
            if isinstance(network.head, Head)
            else PolyphaseUpsampledHead(network.head)
        )
        in_order_of_use = [network.stem, *network.down]
        for blocks, up in itertools.zip_longest(network.blocks, network.up):
            in_order_of_use += [blocks] if up is None else [blocks, up]
        tables = [
            table.detach()
            for conv in _styled_convs(in_order_of_use)
            for table in (conv.norm.scale, conv.norm.shift)
        ]
        self.sizes = [table.shape[1] for table in tables]
        self.register_buffer("modulation", torch.cat(tables, dim=1))

    modulation: Tensor

    def forward(self, image: Tensor, style: Tensor) -> Tensor:
        """Repaints a batch, see `StyleNetwork.forward`."""
        # Style: the scales and shifts of all layers, in the order of their use
        lacking = 1 - style.sum(dim=1, keepdim=True)  # (B, 1)
        mixed = torch.cat([lacking, style], dim=1) @ self.modulation
        rows = iter(torch.split(mixed, self.sizes, dim=1))  # (B, C) each

        # Image: down to the coarsest resolution, and back
        height, width = image.shape[-2:]
        bottom, right = -height % self.config.stride, -width % self.config.stride
        x = F.pad(image * 2 - 1, [0, right, 0, bottom], mode="reflect")
        x = F.relu(self.stem(x, rows))
        for down in self.down:
            x = F.relu(down(x, rows))
        for number, blocks in enumerate(self.blocks):
            x = blocks(x, rows)
            if number < len(self.up):
                x = F.relu(self.up[number](x, rows))
        painted = torch.sigmoid(self.head(x))[:, :, :height, :width]  # (B, 3, H, W)

        # Strength: the photograph shows through below 1
        through = lacking.clamp(0, 1).square()[:, :, None, None]
        return painted + through * (image - painted)


def _styled_convs(parts: Iterable[nn.Module]) -> list[StyledConv]:
    return [each for part in parts for each in part.modules() if isinstance(each, StyledConv)]


def rewrite_for_inference(network: StyleNetwork) -> InferenceStyleNetwork:
    """A network that computes the same images (to rounding) in less time."""
    return InferenceStyleNetwork(network).eval()
