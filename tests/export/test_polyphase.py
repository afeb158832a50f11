import pytest
import torch
from torch import nn

from atelier_export.polyphase import PolyphaseConv, PolyphaseUpsampledConv, rewrite_for_inference
from atelier_export.style_network import StyleNetwork, StyleNetworkConfig, UpsampledConv


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.mark.parametrize("kernel", [3, 9])
@pytest.mark.parametrize("bias", [True, False])
def test_a_convolution_in_phases_is_the_convolution(kernel, bias):
    conv = nn.Conv2d(4, 3, kernel, bias=bias)
    x = torch.randn(2, 4, 19 + kernel, 25 + kernel)
    torch.testing.assert_close(PolyphaseConv(conv)(x), conv(x))


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (7, 4)])
def test_resizing_and_convolution_in_phases_are_the_two(size):
    upsampled = UpsampledConv(4, 5, 3, styles=2)
    x, style = torch.randn(2, 4, *size), torch.rand(2, 2)
    torch.testing.assert_close(
        PolyphaseUpsampledConv(upsampled)(x, style), upsampled(x, style), rtol=1e-4, atol=1e-4
    )


def test_the_network_computes_the_same_pictures_and_is_left_alone():
    network = StyleNetwork(StyleNetworkConfig(styles=2, channels=(4, 8, 8), blocks=1)).eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    image, style = torch.rand(2, 3, 37, 50), torch.rand(2, 2)
    fast = rewrite_for_inference(network)
    torch.testing.assert_close(fast(image, style), network(image, style), rtol=0, atol=1e-5)
    after = network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
