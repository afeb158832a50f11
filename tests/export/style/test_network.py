import copy

import pytest
import torch

from atelier_export.style.network import (
    BLOCKS,
    Block,
    ConditionalInstanceNorm,
    StyleNetwork,
    StyleNetworkConfig,
)


@pytest.fixture(scope="module")
def network() -> StyleNetwork:
    torch.manual_seed(0)
    return _lively(StyleNetworkConfig(styles=3, patch=4, channels=(8,), blocks=(1,)))


def _lively(config: StyleNetworkConfig) -> StyleNetwork:
    network = StyleNetwork(config).eval()
    for module in network.modules():
        if isinstance(module, ConditionalInstanceNorm):
            torch.nn.init.normal_(module.scale, 1, 0.3)
            torch.nn.init.normal_(module.shift, 0, 0.3)
    return network.requires_grad_(False)


@pytest.mark.parametrize("size", [(16, 16), (17, 31), (18, 64), (63, 16), (130, 190)])
@pytest.mark.parametrize("patch", [1, 2, 4])
@pytest.mark.parametrize("channels", [(8,), (4, 8)])
def test_every_size_comes_back_as_it_went_in(size, patch, channels):
    network = _lively(StyleNetworkConfig(3, patch, channels, blocks=(1,) * len(channels)))
    images = network(torch.rand(2, 3, *size), torch.eye(3)[:2])
    assert images.shape == (2, 3, *size)
    assert images.amin() >= 0
    assert images.amax() <= 1


def test_the_styles_differ(network):
    images = network(torch.rand(1, 3, 24, 24).expand(3, -1, -1, -1), torch.eye(3))
    assert (images[0] - images[1]).abs().mean() > 0.01
    assert (images[1] - images[2]).abs().mean() > 0.01


def test_a_mixture_lies_between_its_styles(network):
    image = torch.rand(1, 3, 24, 24)
    red, blue = network(image, torch.eye(3)[:1]), network(image, torch.eye(3)[1:2])
    nearly_red = network(image, torch.tensor([[0.99, 0.01, 0.0]]))
    nearly_blue = network(image, torch.tensor([[0.01, 0.99, 0.0]]))
    apart = (red - blue).abs().mean()
    assert 0 < (nearly_red - red).abs().mean() < 0.1 * apart
    assert 0 < (nearly_blue - blue).abs().mean() < 0.1 * apart


def test_a_picture_does_not_see_the_others_in_its_batch(network):
    image = torch.rand(2, 3, 24, 24)
    together = network(image, torch.eye(3)[:2])
    alone = network(image[1:], torch.eye(3)[1:2])
    torch.testing.assert_close(together[1:], alone, rtol=0, atol=1e-5)


def test_normalisation_gives_the_mixture_s_mean_and_deviation():
    norm = ConditionalInstanceNorm(channels=1, styles=2)
    norm.scale.data[:] = torch.tensor([[2.0], [4.0]])
    norm.shift.data[:] = torch.tensor([[-1.0], [1.0]])
    normalised = norm(5 + 3 * torch.randn(1, 1, 32, 32), torch.tensor([[0.25, 0.75]]))
    assert normalised.mean().item() == pytest.approx(0.5, abs=1e-4)
    assert normalised.std(correction=0).item() == pytest.approx(3.5, abs=1e-3)


def test_normalisation_computes_in_float32():
    norm = ConditionalInstanceNorm(channels=2, styles=1)
    x = (1e4 * torch.randn(1, 2, 32, 32)).half()  # a variance of 1e8, where float16 ends at 65504
    with torch.autocast("cpu", torch.bfloat16):
        normalised = norm(x, torch.ones(1, 1))
    assert normalised.float().std(dim=(2, 3)).flatten().tolist() == pytest.approx([1, 1], abs=0.01)


@pytest.mark.parametrize("kind", BLOCKS)
def test_a_block_begins_as_the_identity(kind):
    x = torch.randn(2, 8, 6, 6)
    torch.testing.assert_close(Block(kind, 8, styles=2)(x, torch.rand(2, 2)), x)


def test_no_strength_is_the_photograph_to_the_bit(network):
    image = torch.randint(0, 256, (2, 3, 37, 50)) / 255
    levels = (network(image, torch.zeros(2, 3)) * 255).round()
    assert torch.equal(levels, (image * 255).round())


def test_strength_leads_from_the_photograph_to_the_style_and_beyond(network):
    image, style = torch.rand(1, 3, 24, 24), torch.eye(3)[:1]
    away = [
        (network(image, strength * style) - image).abs().mean().item()
        for strength in (0, 0.1, 0.4, 0.7, 1)
    ]
    assert away == sorted(away)
    assert not torch.equal(network(image, 1.3 * style), network(image, style))


def test_half_the_strength_is_the_mixture_with_the_photograph_s_own_style(network):
    norms = [module for module in network.modules() if isinstance(module, ConditionalInstanceNorm)]
    twin = copy.deepcopy(network)
    for norm in (
        module for module in twin.modules() if isinstance(module, ConditionalInstanceNorm)
    ):
        norm.scale.data[3], norm.shift.data[3] = norm.scale.data[0], norm.shift.data[0]
    assert len(norms) > 2
    image = torch.rand(1, 3, 24, 24)
    half = network(image, torch.tensor([[0.5, 0.0, 0.0]]))
    mixed = twin(image, torch.tensor([[0.5, 0.0, 0.5]]))
    torch.testing.assert_close(half, mixed + 0.25 * (image - mixed))


def test_another_style_begins_as_the_mean_and_leaves_the_others_as_they_were(network):
    wider = network.with_another_style()
    assert wider.config.styles == 4
    image = torch.rand(1, 3, 24, 24)
    for style in range(3):
        one_hot = torch.eye(3)[[style]]
        torch.testing.assert_close(
            wider(image, torch.eye(4)[[style]]), network(image, one_hot), rtol=0, atol=0
        )
    mean = network(image, torch.full((1, 3), 1 / 3))
    torch.testing.assert_close(wider(image, torch.eye(4)[3:]), mean, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"styles": 0}, "at least one style, not 0"),
        ({"styles": 1, "patch": 3}, "patch must be 1, 2 or 4, not 3"),
        ({"styles": 1, "channels": ()}, r"numbers from 2 up, not \(\)"),
        ({"styles": 1, "channels": (32, 1, 64)}, "numbers from 2 up"),
        ({"styles": 1, "patch": 4, "channels": (8, 8, 8)}, "by 16; a 16-pixel image allows"),
        ({"styles": 1, "blocks": (0, 0, -1)}, "3 numbers from 0 up"),
        ({"styles": 1, "blocks": (5,)}, r"3 numbers .* not \(5,\)"),
        ({"styles": 1, "block": "dense"}, "residual, bottleneck, not 'dense'"),
    ],
)
def test_impossible_networks_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        StyleNetworkConfig(**fields)
