import pytest
import torch

from atelier_export.style.inference_rewrite import (
    PolyphaseHead,
    PolyphaseUpsampledConv,
    PolyphaseUpsampledHead,
    rewrite_for_inference,
)
from atelier_export.style.network import (
    Head,
    StyleNetwork,
    StyleNetworkConfig,
    UpsampledConv,
    UpsampledHead,
)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def test_a_head_in_phases_is_the_head():
    head = Head(4)
    x = torch.randn(2, 4, 20, 26)
    torch.testing.assert_close(PolyphaseHead(head)(x), head(x))


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (7, 4)])
def test_an_upsampled_head_in_phases_is_the_head(size):
    head = UpsampledHead(4)
    x = torch.randn(2, 4, *size)
    torch.testing.assert_close(PolyphaseUpsampledHead(head)(x), head(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (7, 4)])
def test_resizing_and_convolution_in_phases_are_the_two(size):
    upsampled = UpsampledConv(4, 5, 3, styles=2)
    norm = upsampled.norm
    for table in (norm.scale, norm.shift):
        torch.nn.init.normal_(table)
    x, style = torch.randn(2, 4, *size), torch.rand(2, 2)
    fast = PolyphaseUpsampledConv(upsampled)(x, iter([style @ norm.scale, style @ norm.shift]))
    torch.testing.assert_close(fast, upsampled(x, style), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "shape",
    [
        {"channels": (4, 8, 8), "blocks": (0, 0, 1)},
        {"patch": 2, "channels": (4, 8), "blocks": (1, 2)},
        {"patch": 4, "channels": (8,), "blocks": (1,)},
        {"patch": 4, "channels": (4, 8), "blocks": (0, 1), "block": "bottleneck"},
        {"patch": 4, "channels": (8,), "blocks": (1,), "block": "bottleneck"},
    ],
)
def test_the_network_computes_the_same_pictures_and_is_left_alone(shape):
    network = StyleNetwork(StyleNetworkConfig(styles=2, **shape)).eval()
    for table in network.style_parameters():
        torch.nn.init.normal_(table)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    image, style = torch.rand(2, 3, 37, 50), torch.rand(2, 2)
    fast = rewrite_for_inference(network)
    torch.testing.assert_close(fast(image, style), network(image, style), rtol=0, atol=1e-5)
    after = network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
