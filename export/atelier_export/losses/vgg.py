"""VGG-19 as a loss network (Simonyan & Zisserman 2014, arXiv:1409.1556, configuration E)."""

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

MEAN_RGB = (123.68, 116.779, 103.939)
"""Mean of the training images that VGG subtracts, in 0..255."""

VGG_SETTING: dict[str, Any] = {
    "help": "Weights of VGG-19 conv1_1 to conv5_1 as safetensors (convX_Y.weight and .bias).",
    "path": "file",
}
"""The properties of a setting that names the file of weights, see `settings.setting`."""

# (block, convolutions, channels), with 2×2 max pooling between the blocks.
_BLOCKS = ((1, 2, 64), (2, 2, 128), (3, 4, 256), (4, 4, 512), (5, 1, 512))


def _mean() -> Tensor:
    return torch.tensor(MEAN_RGB).view(1, 3, 1, 1)


class VGG19(nn.Module):
    """VGG-19 from conv1_1 to conv5_1, frozen; returns the activations of the given layers."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleDict()
        inputs = 3
        for block, count, channels in _BLOCKS:
            for number in range(1, count + 1):
                self.convs[f"conv{block}_{number}"] = nn.Conv2d(inputs, channels, 3, padding=1)
                inputs = channels
        self.mean: Tensor
        self.register_buffer("mean", _mean())
        self.requires_grad_(False)

    @classmethod
    def load(cls, path: Path) -> "VGG19":
        """Reads a safetensors file with `convX_Y.weight` (O, I, 3, 3) and `.bias` (O).

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: The file does not hold the tensors of VGG-19 up to conv5_1.
        """
        with torch.device("meta"):  # draws no random weights
            network = cls()
        try:
            weights = {f"convs.{name}": value.float() for name, value in load_file(path).items()}
            network.load_state_dict({"mean": _mean(), **weights}, assign=True)
        except (RuntimeError, SafetensorError) as error:
            raise ValueError(f"{path} does not hold VGG-19 conv1_1 to conv5_1: {error}") from error
        return network.eval()

    def forward(self, image: Tensor, layers: tuple[str, ...]) -> dict[str, Tensor]:
        """Returns activations after the ReLU.

        Args:
            image: (B, 3, H, W), RGB in 0..1, at least 16×16.
            layers: Names such as `relu4_2`; layers after the deepest are not computed.

        Returns:
            A dictionary in the order of the network, (B, C, H/2ᵏ, W/2ᵏ) each.
        """
        missing = set(layers)
        found: dict[str, Tensor] = {}
        x = image * 255 - self.mean
        for block, count, _ in _BLOCKS:
            if block > 1:
                x = F.max_pool2d(x, 2)
            for number in range(1, count + 1):
                x = F.relu(self.convs[f"conv{block}_{number}"](x))
                name = f"relu{block}_{number}"
                if name in missing:
                    found[name] = x
                    missing.remove(name)
                    if not missing:
                        return found
        raise ValueError(f"VGG-19 up to relu5_1 has no layer {', '.join(sorted(missing))}")
