"""How good a style network is: a sheet for the eye, and distances as numbers."""

import torch
from PIL import Image

from atelier_export.losses import PerceptualLoss
from atelier_export.pictures import Picture, center_crop, to_image, to_tensor
from atelier_export.sheets import Column, contact_sheet
from atelier_export.style_network import StyleNetwork


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


@torch.no_grad()
def measure_quality(
    network: StyleNetwork,
    perceptual_loss: PerceptualLoss,
    photographs: list[Picture],
    styles: tuple[str, ...],
    side: int,
) -> dict[str, dict[str, float]]:
    """Mean distances a style, in float32, over the middle `side`×`side` pixels of photographs.

    Returns:
        For every style `content` and `style`, the distances of the repainted photographs (see
        `losses`), and `photograph_style`, the style distance of the photographs themselves.
    """
    device = next(network.parameters()).device
    quality = {}
    for number, style in enumerate(styles):
        chosen = torch.tensor([number], device=device)
        measured = []
        for picture in photographs:
            photograph = to_tensor(center_crop(picture.read(), side))[None].to(device)
            painted = network(photograph, torch.eye(len(styles), device=device)[chosen])
            distances = perceptual_loss(painted, photograph, chosen)
            itself = perceptual_loss(photograph, photograph, chosen)
            measured.append(torch.cat([distances.content, distances.style, itself.style]))
        means = torch.stack(measured).mean(dim=0).tolist()
        names = ("content", "style", "photograph_style")
        quality[style] = {name: round(mean, 4) for name, mean in zip(names, means, strict=True)}
    return quality
