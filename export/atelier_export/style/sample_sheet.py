"""Sample sheets of a style network in training."""

from collections.abc import Sequence

import torch
from PIL import Image

from atelier_export.data.images import center_crop, to_image, to_tensor
from atelier_export.reports.contact_sheet import Column, contact_sheet
from atelier_export.style.network import StyleNetwork


@torch.no_grad()
def sample_sheet(
    network: StyleNetwork, images: Sequence[Image.Image], styles: tuple[str, ...], side: int
) -> Image.Image:
    """Center crops of images beside their paintings in every style."""
    device = next(network.parameters()).device
    originals = [center_crop(image, side) for image in images]
    batch = torch.stack([to_tensor(original) for original in originals]).to(device)
    columns = [Column("photograph", originals)]
    for number, style in enumerate(styles):
        weights = torch.eye(len(styles), device=device)[[number] * len(originals)]
        columns.append(Column(style, [to_image(each) for each in network(batch, weights)]))
    return contact_sheet(columns)
