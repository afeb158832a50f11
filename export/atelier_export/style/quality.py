"""How good a style network is: a sheet for the eye."""

import torch
from PIL import Image

from atelier_export.pictures import Picture, center_crop, to_image, to_tensor
from atelier_export.sheets import Column, contact_sheet
from atelier_export.style.network import StyleNetwork


@torch.no_grad()
def sample_sheet(
    network: StyleNetwork, photographs: list[Picture], styles: tuple[str, ...], side: int
) -> Image.Image:
    """The middle `side`×`side` pixels of photographs, beside themselves in every style."""
    device = next(network.parameters()).device
    originals = [center_crop(photograph.read(), side) for photograph in photographs]
    batch = torch.stack([to_tensor(original) for original in originals]).to(device)
    columns = [Column("photograph", originals)]
    for number, style in enumerate(styles):
        weights = torch.eye(len(styles), device=device)[[number] * len(originals)]
        columns.append(Column(style, [to_image(picture) for picture in network(batch, weights)]))
    return contact_sheet(columns)
