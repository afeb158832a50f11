"""Feed-forward style networks: one network, many styles.

A family around the network of Johnson et al. 2016 ("Perceptual Losses for Real-Time Style Transfer
and Super-Resolution", supplementary material, table 1): stem, strided convolutions down, residual
blocks, convolutions up, head. All have instance normalisation (Ulyanov et al. 2016,
arXiv:1607.08022) whose scale and shift the style chooses (Dumoulin et al. 2017, "A Learned
Representation for Artistic Style", arXiv:1610.07629), and nearest-neighbour resizing before a
convolution instead of transposed convolution (Odena et al. 2016, "Deconvolution and Checkerboard
Artifacts"). The cheap ones differ from Johnson's in where they work: their stem gathers patches of
pixels into channels (space-to-depth, Shi et al. 2016, arXiv:1609.07009), so that no layer but the
head knows the full resolution.
"""

import copy
import itertools
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

BLOCKS = ("residual", "bottleneck")


@dataclass(frozen=True)
class StyleNetworkConfig:
    """The shape of a style network.

    Attributes:
        styles: Number of styles S, at least 1.
        patch: Side of the patches that the stem gathers: 1 (a 9×9 convolution at full size, as in
            Johnson et al.), 2 or 4.
        channels: Channels after the stem, then at each halved resolution.
        blocks: Blocks at each of these resolutions, on the way back from the coarsest.
        block: Their kind, one of `BLOCKS`.
    """

    styles: int
    patch: int = 1
    channels: tuple[int, ...] = (32, 64, 128)
    blocks: tuple[int, ...] = (0, 0, 5)
    block: str = "residual"

    def __post_init__(self) -> None:
        """Refuses shapes that no network can have; raises ValueError."""
        if self.styles < 1:
            raise ValueError(f"a style network needs at least one style, not {self.styles}")
        if self.patch not in (1, 2, 4):
            raise ValueError(f"patch must be 1, 2 or 4, not {self.patch}")
        if not self.channels or min(self.channels) < 2:
            raise ValueError(f"channels must be numbers from 2 up, not {self.channels}")
        if self.stride > 8:
            raise ValueError(
                f"patches of {self.patch} and {len(self.channels)} resolutions reduce an image "
                f"by {self.stride}; a 16-pixel image allows a stride of 8 at most"
            )
        if len(self.blocks) != len(self.channels) or min(self.blocks) < 0:
            raise ValueError(
                f"blocks must be {len(self.channels)} numbers from 0 up, one for each of the "
                f"channels, not {self.blocks}"
            )
        if self.block not in BLOCKS:
            raise ValueError(f"block must be one of {', '.join(BLOCKS)}, not {self.block!r}")

    @property
    def stride(self) -> int:
        """Pixels of the image to one of the coarsest resolution."""
        return self.patch << (len(self.channels) - 1)


class ConditionalInstanceNorm(nn.Module):
    """Instance normalisation whose scale and shift are mixed from those of the styles.

    y = γ·(x − μ(x)) / sqrt(σ²(x) + ε) + β with γ = Σ wₛ γₛ and β = Σ wₛ βₛ (Dumoulin et al. 2017,
    eq. 5; the mixture is their section 3.3). Always in float32: the variance overflows in float16.
    """

    EPSILON = 1e-5

    def __init__(self, channels: int, styles: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(styles, channels))
        self.shift = nn.Parameter(torch.zeros(styles, channels))

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Normalises `x` (B, C, H, W) per image and channel; `style` is (B, S)."""
        with torch.autocast(x.device.type, enabled=False):
            normalised = F.instance_norm(x.float(), eps=self.EPSILON)
            scale = (style.float() @ self.scale)[:, :, None, None]  # (B, C, 1, 1)
            shift = (style.float() @ self.shift)[:, :, None, None]  # (B, C, 1, 1)
            return (normalised * scale + shift).to(x.dtype)


class StyledConv(nn.Module):
    """Reflection padding, convolution, conditional instance normalisation; size kept or halved."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, styles: int, stride: int = 1
    ) -> None:
        super().__init__()
        # The normalisation subtracts the mean, so a bias would have no effect.
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, bias=False)
        self.norm = ConditionalInstanceNorm(outputs, styles)
        self.padding = [kernel // 2] * 4

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Maps (B, inputs, H, W) to (B, outputs, H/stride, W/stride)."""
        y: Tensor = self.norm(self.conv(F.pad(x, self.padding, mode="reflect")), style)
        return y


class UpsampledConv(StyledConv):
    """Nearest-neighbour resizing to twice the size, then a styled convolution."""

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Maps (B, inputs, H, W) to (B, outputs, 2·H, 2·W)."""
        return super().forward(F.interpolate(x, scale_factor=2), style)


class Block(nn.Module):
    """x + f(x) without a nonlinearity after the sum, f ending in a normalisation.

    - residual: two 3×3 convolutions (Johnson et al. 2016).
    - bottleneck: 1×1 to half the channels, 3×3, 1×1 back (He et al. 2016, arXiv:1512.03385).
    """

    def __init__(self, kind: str, channels: int, styles: int) -> None:
        super().__init__()
        half = channels // 2
        layers = {
            "residual": ((channels, 3), (channels, 3)),
            "bottleneck": ((half, 1), (half, 3), (channels, 1)),
        }[kind]
        convs = []
        inputs = channels
        for outputs, kernel in layers:
            convs.append(StyledConv(inputs, outputs, kernel, styles))
            inputs = outputs
        # Each block begins as the identity (Goyal et al. 2017, section 5.1): the photograph passes
        # from the first step on, and no bright blotches form in flat areas.
        nn.init.zeros_(convs[-1].norm.scale)
        self.convs = nn.ModuleList(convs)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Keeps the shape (B, C, H, W)."""
        y = x
        for number, conv in enumerate(self.convs):
            y = conv(F.relu(y) if number else y, style)
        return x + y


class Blocks(nn.ModuleList):
    """Blocks one after the other, or none."""

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Keeps the shape (B, C, H, W)."""
        for block in self:
            x = block(x, style)
        return x


class Head(nn.Module):
    """9×9 convolution to the colours, as in Johnson et al. 2016."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 3, 9)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, C, H, W) to (B, 3, H, W)."""
        y: Tensor = self.conv(F.pad(x, [4, 4, 4, 4], mode="reflect"))
        return y


class UpsampledHead(nn.Module):
    """Nearest-neighbour resizing to twice the size, then a 5×5 convolution to the colours.

    Where its input is even, so is its output: unlike a pixel shuffle it cannot draw a grid there.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 3, 5)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, C, H, W) to (B, 3, 2·H, 2·W)."""
        y: Tensor = self.conv(
            F.interpolate(F.pad(x, [1, 1, 1, 1], mode="replicate"), scale_factor=2)
        )
        return y


class StyleNetwork(nn.Module):
    """Repaints images in a style, or in a mixture of styles, more or less strongly.

    The weights of the styles add up to the strength. The remainder to 1 is the photograph's weight:
    it has a scale and a shift of its own in each normalisation, the first row, like a style, and is
    blended into the output with a share of (1 − strength)². So a strength of 0 is the photograph
    itself, and one above 1 extrapolates from the photograph beyond the style.

    The padding to a multiple of the stride and the crop back are part of the network, so that every
    size from 16×16 up comes back as it went in, also from the exported graph.
    """

    def __init__(self, config: StyleNetworkConfig) -> None:
        super().__init__()
        self.config = config
        patch, channels = config.patch, config.channels
        styles = 1 + config.styles  # the photograph is the first
        self.stem = StyledConv(3 * patch**2, channels[0], 9 if patch == 1 else 3, styles)
        pairs = list(itertools.pairwise(channels))
        self.down = nn.ModuleList(StyledConv(a, b, 3, styles, stride=2) for a, b in pairs)
        self.blocks = nn.ModuleList(
            Blocks(Block(config.block, width, styles) for _ in range(count))
            for width, count in zip(reversed(channels), reversed(config.blocks), strict=True)
        )
        self.up = nn.ModuleList(UpsampledConv(b, a, 3, styles) for a, b in reversed(pairs))
        last = channels[0]
        if patch == 4:
            self.up.append(UpsampledConv(last, last // 2, 3, styles))
            last //= 2
        self.head = Head(last) if patch == 1 else UpsampledHead(last)

    def style_parameters(self) -> list[nn.Parameter]:
        """The scales and shifts, (1 + S, C) each: all that differs between styles."""
        norms = [module for module in self.modules() if isinstance(module, ConditionalInstanceNorm)]
        return [parameter for norm in norms for parameter in (norm.scale, norm.shift)]

    def shared_parameters(self) -> list[nn.Parameter]:
        """The convolutions, which all styles share."""
        of_styles = {id(parameter) for parameter in self.style_parameters()}
        return [parameter for parameter in self.parameters() if id(parameter) not in of_styles]

    def with_another_style(self) -> "StyleNetwork":
        """A copy with one more style, the last, initialised to the mean of the others."""
        wider = copy.deepcopy(self)
        wider.config = replace(self.config, styles=self.config.styles + 1)
        for norm in wider.modules():
            if isinstance(norm, ConditionalInstanceNorm):
                norm.scale = _with_mean_of_styles(norm.scale)
                norm.shift = _with_mean_of_styles(norm.shift)
        return wider

    def forward(self, image: Tensor, style: Tensor) -> Tensor:
        """Repaints a batch.

        Args:
            image: (B, 3, H, W), RGB in 0..1, H and W at least 16.
            style: (B, S), a weight for each style; a one-hot row is that style at full strength.

        Returns:
            (B, 3, H, W), RGB in 0..1.
        """
        height, width = image.shape[-2:]
        bottom, right = -height % self.config.stride, -width % self.config.stride
        lacking = 1 - style.sum(dim=1, keepdim=True)  # (B, 1)
        style = torch.cat([lacking, style], dim=1)  # (B, 1 + S)
        x = F.pad(image, [0, right, 0, bottom], mode="reflect")  # H and W: multiples of the stride
        x = F.pixel_unshuffle(x * 2 - 1, self.config.patch)  # (B, 3·patch², H/patch, W/patch)
        x = F.relu(self.stem(x, style))  # (B, channels[0], H/patch, W/patch)
        for down in self.down:
            x = F.relu(down(x, style))
        for number, blocks in enumerate(self.blocks):
            x = blocks(x, style)
            if number < len(self.up):
                x = F.relu(self.up[number](x, style))
        painted = torch.sigmoid(self.head(x).float())[:, :, :height, :width]  # (B, 3, H, W)
        through = lacking.clamp(0, 1).square()[:, :, None, None]
        return painted + through * (image - painted)


def _with_mean_of_styles(rows: nn.Parameter) -> nn.Parameter:
    mean = rows[1:].mean(dim=0, keepdim=True)  # the first row is the photograph
    return nn.Parameter(torch.cat([rows, mean]).detach())
