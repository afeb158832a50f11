"""The feed-forward style network: one network, many styles.

Architecture of Johnson et al. 2016 ("Perceptual Losses for Real-Time Style Transfer and
Super-Resolution", supplementary material, table 1) with three later changes: instance instead of
batch normalisation (Ulyanov et al. 2016, arXiv:1607.08022), its scale and shift chosen by the
style (Dumoulin et al. 2017, "A Learned Representation for Artistic Style", arXiv:1610.07629), and
nearest-neighbour resizing before a convolution instead of transposed convolution (Odena et al.
2016, "Deconvolution and Checkerboard Artifacts").
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn


@dataclass(frozen=True)
class StyleNetworkConfig:
    """The shape of a style network.

    Attributes:
        styles: Number of styles S, at least 1.
        channels: Channels at full, half and quarter resolution.
        blocks: Residual blocks at quarter resolution.
    """

    styles: int
    channels: tuple[int, int, int] = (32, 64, 128)
    blocks: int = 5

    def __post_init__(self) -> None:
        """Refuses shapes that no network can have; raises ValueError."""
        if self.styles < 1:
            raise ValueError(f"a style network needs at least one style, not {self.styles}")
        if len(self.channels) != 3 or min(self.channels) < 1:
            raise ValueError(f"channels must be three positive numbers, not {self.channels}")
        if self.blocks < 0:
            raise ValueError(f"blocks must be 0 or more, not {self.blocks}")


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
        """Normalises `x` (B, C, H, W) per picture and channel; `style` is (B, S)."""
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


class ResidualBlock(nn.Module):
    """x + N(C(relu(N(C(x))))) without a nonlinearity after the sum, as in Johnson et al. 2016."""

    def __init__(self, channels: int, styles: int) -> None:
        super().__init__()
        self.first = StyledConv(channels, channels, 3, styles)
        self.second = StyledConv(channels, channels, 3, styles)
        # Each block begins as the identity (Goyal et al. 2017, section 5.1): the photograph gets
        # through from the first step, and no bright blotches grow where nothing else does.
        nn.init.zeros_(self.second.norm.scale)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Keeps the shape (B, C, H, W)."""
        y: Tensor = self.second(F.relu(self.first(x, style)), style)
        return x + y


class StyleNetwork(nn.Module):
    """Repaints pictures in a style, or in a mixture of styles.

    The padding to a multiple of four and the crop back are part of the network, so that every
    size from 16×16 up comes back as it went in, also from the exported graph.
    """

    SMALLEST_SIDE = 16
    STRIDE = 4

    def __init__(self, config: StyleNetworkConfig) -> None:
        super().__init__()
        self.config = config
        full, half, quarter = config.channels
        styles = config.styles
        self.stem = StyledConv(3, full, 9, styles)
        self.down1 = StyledConv(full, half, 3, styles, stride=2)
        self.down2 = StyledConv(half, quarter, 3, styles, stride=2)
        self.blocks = nn.ModuleList(ResidualBlock(quarter, styles) for _ in range(config.blocks))
        self.up1 = UpsampledConv(quarter, half, 3, styles)
        self.up2 = UpsampledConv(half, full, 3, styles)
        self.head = nn.Conv2d(full, 3, 9)

    def style_parameters(self) -> list[nn.Parameter]:
        """The scales and shifts, (S, C) each: all that tells one style from another."""
        norms = [module for module in self.modules() if isinstance(module, ConditionalInstanceNorm)]
        return [parameter for norm in norms for parameter in (norm.scale, norm.shift)]

    def shared_parameters(self) -> list[nn.Parameter]:
        """The convolutions, which serve every style."""
        of_styles = {id(parameter) for parameter in self.style_parameters()}
        return [parameter for parameter in self.parameters() if id(parameter) not in of_styles]

    def forward(self, image: Tensor, style: Tensor) -> Tensor:
        """Repaints a batch.

        Args:
            image: (B, 3, H, W), RGB in 0..1, H and W at least 16.
            style: (B, S), one weight a style; a one-hot row is that style alone.

        Returns:
            (B, 3, H, W), RGB in 0..1.
        """
        height, width = image.shape[-2:]
        bottom, right = -height % self.STRIDE, -width % self.STRIDE
        x = F.pad(image, [0, right, 0, bottom], mode="reflect")  # H and W: multiples of 4
        x = F.relu(self.stem(x * 2 - 1, style))  # (B, full, H, W)
        x = F.relu(self.down1(x, style))  # (B, half, H/2, W/2)
        x = F.relu(self.down2(x, style))  # (B, quarter, H/4, W/4)
        for block in self.blocks:
            x = block(x, style)
        x = F.relu(self.up1(x, style))  # (B, half, H/2, W/2)
        x = F.relu(self.up2(x, style))  # (B, full, H, W)
        x = self.head(F.pad(x, [4, 4, 4, 4], mode="reflect"))  # (B, 3, H, W)
        return torch.sigmoid(x.float())[:, :, :height, :width]
