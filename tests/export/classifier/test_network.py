import pytest
import torch

from atelier_export.classifier.network import (
    Block,
    Classifier,
    ClassifierConfig,
    mean_and_deviation,
)


@pytest.mark.parametrize("size", [(16, 16), (17, 31), (40, 16)])
def test_images_of_any_size_have_logits(size):
    network = Classifier(ClassifierConfig(5, stem=(4,), channels=(4, 8), blocks=(1, 0))).eval()
    assert network(torch.rand(2, 3, *size)).shape == (2, 5)


def test_the_statistics_are_the_mean_and_the_deviation_of_each_channel():
    x = torch.randn(2, 3, 5, 7, generator=torch.Generator().manual_seed(0)) * 4 + 10
    mean, deviation = mean_and_deviation(x)
    torch.testing.assert_close(mean, x.mean(dim=(2, 3)))
    torch.testing.assert_close(deviation, x.flatten(2).std(dim=2, correction=0))


def test_a_flat_channel_has_a_finite_gradient():
    x = torch.full((1, 1, 4, 4), 3.0, requires_grad=True)
    mean_and_deviation(x)[1].sum().backward()
    assert x.grad.isfinite().all()


def test_a_block_begins_as_the_identity():
    x = torch.rand(2, 4, 6, 6)
    torch.testing.assert_close(Block(4)(x), x)


def test_each_stage_halves_the_resolution():
    network = Classifier(ClassifierConfig(2, stem=(4, 4), channels=(4, 6, 8), blocks=(1, 1, 1)))
    x = network.stem(torch.rand(2, 3, 64, 48))
    shapes = []
    for stage in network.stages:
        x = stage(x)
        shapes.append(tuple(x.shape[1:]))
    assert shapes == [(4, 16, 12), (6, 8, 6), (8, 4, 3)]


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"classes": 1}, "at least two classes"),
        ({"channels": (4, 0, 4)}, "from 1 up"),
        ({"blocks": (1,)}, "3 numbers"),
        ({"stem": ()}, "stem"),
    ],
)
def test_impossible_shapes_are_refused(shape, message):
    with pytest.raises(ValueError, match=message):
        ClassifierConfig(**{"classes": 2, **shape})
