import pytest
import torch

from atelier_export.style_network import ConditionalInstanceNorm, StyleNetwork, StyleNetworkConfig


@pytest.fixture(scope="module")
def network() -> StyleNetwork:
    torch.manual_seed(0)
    network = StyleNetwork(StyleNetworkConfig(styles=3, channels=(4, 8, 8), blocks=1)).eval()
    for module in network.modules():
        if isinstance(module, ConditionalInstanceNorm):
            torch.nn.init.normal_(module.scale, 1, 0.3)
            torch.nn.init.normal_(module.shift, 0, 0.3)
    return network.requires_grad_(False)


@pytest.mark.parametrize("size", [(16, 16), (17, 31), (18, 64), (63, 16), (130, 190)])
def test_every_size_comes_back_as_it_went_in(network, size):
    pictures = network(torch.rand(2, 3, *size), torch.eye(3)[:2])
    assert pictures.shape == (2, 3, *size)
    assert pictures.amin() >= 0
    assert pictures.amax() <= 1


def test_the_styles_differ(network):
    pictures = network(torch.rand(1, 3, 24, 24).expand(3, -1, -1, -1), torch.eye(3))
    assert (pictures[0] - pictures[1]).abs().mean() > 0.01
    assert (pictures[1] - pictures[2]).abs().mean() > 0.01


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


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"styles": 0}, "at least one style, not 0"),
        ({"styles": 1, "channels": (32, 64)}, r"three positive numbers, not \(32, 64\)"),
        ({"styles": 1, "channels": (32, 0, 64)}, "three positive numbers"),
        ({"styles": 1, "blocks": -1}, "0 or more, not -1"),
    ],
)
def test_impossible_networks_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        StyleNetworkConfig(**fields)
