"""Logits of many images."""

import torch
from torch import Tensor, nn


@torch.no_grad()
def predict(network: nn.Module, images: Tensor, batch: int = 64) -> Tensor:
    """Logits (n, K) of images (n, 3, S, S) uint8, in float32 and batches."""
    network.eval()
    return torch.cat([network(some.float() / 255) for some in torch.split(images, batch)])
