import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from atelier_export.generator.network import (
    Discriminator,
    GANConfig,
    Generator,
    ModulatedConv,
    batch_deviation,
)

CONFIG = GANConfig(classes=3, colors=2, side=8, latent=6, channels=(8, 6))


@pytest.fixture
def generator():
    torch.manual_seed(0)
    return Generator(CONFIG)


@pytest.mark.parametrize(
    ("side", "channels"), [(8, (8, 6)), (28, (8, 6, 4)), (4, (8, 6, 4)), (5, (7,))]
)
def test_maps_have_the_side_and_their_logits_are_one_each(side, channels):
    config = GANConfig(classes=3, colors=2, side=side, latent=6, channels=channels)
    maps = Generator(config)(torch.randn(5, 6), torch.tensor([0, 1, 2, 0, 1]))
    assert maps.shape == (5, 2, side, side)
    assert Discriminator(config)(maps, torch.zeros(5).long()).shape == (5,)


def test_modulated_weights_are_those_of_the_paper():
    # Karras et al. 2020, eq. 1 and 3, weights of one image's own.
    torch.manual_seed(0)
    conv, x, style = ModulatedConv(4, 5, 3), torch.randn(2, 4, 6, 6), torch.randn(2, 3)
    for number in range(2):
        weight = conv.weight * conv.scale(style[number])[None, :, None, None]
        weight = weight / (weight.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()
        expected = F.conv2d(x[number : number + 1], weight, conv.bias, padding=1)
        torch.testing.assert_close(conv(x, style)[number : number + 1], expected)


def test_modulated_outputs_keep_the_deviation_whatever_the_style():
    torch.manual_seed(0)
    conv, x = ModulatedConv(64, 32, 3), torch.randn(4, 64, 16, 16)
    for strength in (0, 1, 100):
        y = conv(x, strength * torch.randn(4, 3))
        assert y[:, :, 1:-1, 1:-1].std().item() == pytest.approx(1, rel=0.1)


def test_a_map_does_not_depend_on_its_batch(generator):
    latent, label = torch.randn(4, 6), torch.tensor([0, 1, 2, 0])
    together = generator(latent, label)
    alone = torch.cat([generator(latent[[i]], label[[i]]) for i in range(4)])
    torch.testing.assert_close(together, alone)


def test_the_class_and_the_latent_change_the_map(generator):
    latent = torch.randn(1, 6)
    maps = [generator(latent, torch.tensor([label])) for label in range(3)]
    maps.append(generator(-latent, torch.tensor([0])))
    for number, one in enumerate(maps):
        for other in maps[:number]:
            assert (one - other).abs().mean() > 0.01


def test_the_logit_depends_on_the_class():
    torch.manual_seed(0)
    discriminator, x = Discriminator(CONFIG), torch.randn(1, 2, 8, 8)
    logits = {discriminator(x, torch.tensor([label])).item() for label in range(3)}
    assert len(logits) == 3


def test_the_deviation_over_the_batch_is_zero_for_equal_maps():
    x = torch.randn(1, 3, 2, 2).repeat(4, 1, 1, 1)
    torch.testing.assert_close(batch_deviation(x), torch.full((4, 1, 2, 2), 1e-4))
    x = torch.stack([torch.zeros(3, 2, 2), torch.full((3, 2, 2), 2.0)])
    torch.testing.assert_close(batch_deviation(x), torch.ones(2, 1, 2, 2))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"side": 9}, "side must be a multiple of 2, not 9"),
        ({"channels": ()}, "must be numbers from 1 up"),
        ({"classes": 0}, "must be numbers from 1 up, not 0, 2, 6"),
    ],
)
def test_impossible_shapes_are_refused(fields, message):
    values = {"classes": 3, "colors": 2, "side": 8, "latent": 6, "channels": (8, 6)}
    with pytest.raises(ValueError, match=message):
        GANConfig(**{**values, **fields})
