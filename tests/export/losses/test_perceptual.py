import numpy as np
import pytest
import torch
from PIL import Image

from atelier_export.data.images import resize_short_side, to_tensor
from atelier_export.losses.perceptual import (
    PerceptualLoss,
    content_distance,
    gram_matrix,
    load_perceptual_loss,
    style_distance,
    total_variation,
)
from atelier_export.losses.vgg import VGG19


def test_gram_matrix_is_the_mean_outer_product_of_the_channels():
    features = torch.randn(2, 3, 4, 5)
    expected = np.einsum("bchw,bdhw->bcd", features.numpy(), features.numpy()) / 20
    np.testing.assert_allclose(gram_matrix(features).numpy(), expected, rtol=1e-5, atol=1e-6)


def test_gram_matrix_does_not_depend_on_where_or_how_large():
    features = torch.randn(1, 3, 8, 8)
    moved = features.roll((3, 5), dims=(2, 3))
    tiled = features.tile(1, 1, 2, 3)
    torch.testing.assert_close(gram_matrix(moved), gram_matrix(features))
    torch.testing.assert_close(gram_matrix(tiled), gram_matrix(features))


def test_gram_matrix_stays_in_float32_under_autocast():
    features = torch.randn(1, 3, 64, 64) + 10
    with torch.autocast("cpu", torch.bfloat16):
        under_autocast = gram_matrix(features)
    assert torch.equal(under_autocast, gram_matrix(features))


def test_gram_matrix_of_bfloat16_is_exact_but_for_one_rounding():
    features = torch.randn(2, 3, 64, 64).bfloat16()
    gram = gram_matrix(features)
    assert gram.dtype == torch.float32
    torch.testing.assert_close(gram, gram_matrix(features.float()), rtol=2**-8, atol=2**-12)


def test_distances_are_zero_at_the_target_and_one_for_nothing():
    features = torch.randn(2, 3, 8, 8)
    gram = gram_matrix(features)
    assert torch.equal(content_distance(features, features), torch.zeros(2))
    assert torch.equal(style_distance([gram], [gram]), torch.zeros(2))
    torch.testing.assert_close(
        content_distance(torch.zeros_like(features), features), torch.ones(2)
    )
    torch.testing.assert_close(style_distance([gram * 0], [gram]), torch.ones(2))


def test_style_distance_is_the_mean_over_layers():
    near, far = torch.full((1, 2, 2), 1.0), torch.full((1, 2, 2), 3.0)
    assert style_distance([near, far], [near, near]).item() == pytest.approx(2.0)


def test_total_variation_of_a_checkerboard_and_of_a_plain_image():
    checkerboard = (torch.arange(6)[:, None] + torch.arange(8)) % 2
    images = torch.stack([checkerboard, torch.ones(6, 8)]).float()[:, None]
    torch.testing.assert_close(total_variation(images), torch.tensor([2.0, 0.0]))


def test_the_perceptual_loss_takes_each_picture_to_its_own_style(vgg_file):
    torch.manual_seed(0)
    paintings = [torch.rand(3, 48, 32), torch.rand(3, 32, 40).round()]
    photograph = torch.rand(2, 3, 32, 40)
    loss = PerceptualLoss(VGG19.load(vgg_file), paintings)
    output = torch.stack([photograph[0], paintings[1]]).requires_grad_()
    distances = loss(output, loss.content(photograph), torch.tensor([0, 1]))
    assert distances.content[0].item() == 0
    assert distances.content[1] > 0
    assert distances.style[0] > 0
    assert distances.style[1].item() == pytest.approx(0, abs=1e-6)
    (distances.content + distances.style + distances.variation).sum().backward()
    assert output.grad is not None
    assert output.grad.isfinite().all()


def test_the_loss_of_paintings_in_files_is_that_of_the_upright_images(
    vgg_file, paintings, tmp_path
):
    turned = tmp_path / "turned.png"
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    with Image.open(paintings[0]) as image:
        image.transpose(Image.Transpose.ROTATE_90).save(turned, exif=exif)
    loss = load_perceptual_loss([paintings[1], turned], vgg_file, 32)
    examples = [to_tensor(resize_short_side(Image.open(paintings[place]), 32)) for place in (1, 0)]
    expected = PerceptualLoss(VGG19.load(vgg_file), examples)
    for target, other in zip(loss.targets, expected.targets, strict=True):
        torch.testing.assert_close(target, other)
        assert not torch.allclose(target[0], target[1])


def test_vgg_stops_at_the_deepest_layer_asked_for_and_names_unknown_ones(vgg_file):
    network = VGG19.load(vgg_file)
    image = torch.rand(1, 3, 32, 48)
    found = network(image, ("relu3_1", "relu1_1"))
    assert {name: tuple(value.shape) for name, value in found.items()} == {
        "relu1_1": (1, 64, 32, 48),
        "relu3_1": (1, 256, 8, 12),
    }
    with pytest.raises(ValueError, match="relu6_1"):
        network(image, ("relu6_1",))


def test_vgg_refuses_other_weights(tmp_path):
    from safetensors.torch import save_file

    save_file({"conv1_1.weight": torch.zeros(64, 3, 3, 3)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match=r"other\.safetensors does not hold VGG-19"):
        VGG19.load(tmp_path / "other.safetensors")
