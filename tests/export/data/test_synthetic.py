import torch

from atelier_export.data.synthetic import synthetic_image


def test_synthetic_images_are_like_photographs():
    image = synthetic_image(65, 130, torch.Generator().manual_seed(1))
    assert image.shape == (1, 65, 130, 3)
    assert image.dtype == torch.uint8
    values = image.float()
    assert values.amin() < 10
    assert values.amax() > 245
    steps = (values[:, 1:] - values[:, :-1]).abs().mean()
    assert 1 < steps < 0.5 * values.std()
