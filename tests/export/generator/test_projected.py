import pytest
import torch

from atelier_export.generator.losses import hinge_discriminator_loss, hinge_generator_loss
from atelier_export.generator.maps import PixelMaps
from atelier_export.generator.network import GANConfig
from atelier_export.generator.painter import PixelDecoder
from atelier_export.generator.projected import ProjectedDiscriminator
from atelier_export.generator.settings import GeneratorSettings
from atelier_export.generator.training import Adversary, GANTraining
from atelier_export.losses.vgg import VGG19


def _images(count, side=32):
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.fixture(scope="module")
def vgg():
    torch.manual_seed(0)
    return VGG19()


@pytest.fixture
def discriminator(vgg):
    torch.manual_seed(1)
    return ProjectedDiscriminator(vgg, _images(4), classes=2, width=8)


def test_each_scale_gives_a_logit_for_each_patch(discriminator):
    logits = discriminator(_images(3), torch.tensor([0, 1, 0]))
    assert logits.shape == (3, 3 * 4 * 4)
    assert logits.dtype == torch.float32


def test_the_features_are_standardised_before_they_are_mixed(discriminator):
    features = discriminator.features
    for number, each in enumerate(features._activations(_images(4))):
        mean, scale = getattr(features, f"mean_{number}"), getattr(features, f"scale_{number}")
        standardised = (each - mean) * scale
        assert standardised.mean(dim=(0, 2, 3)).abs().max() < 1e-3
        # Of channels that are more than the 1e-6 that keeps dead ones from growing without bound
        alive = each.var(dim=(0, 2, 3), correction=0) > 1e-3
        assert alive.any()
        variance = standardised.var(dim=(0, 2, 3), correction=0)[alive]
        torch.testing.assert_close(variance, torch.ones_like(variance), rtol=0.01, atol=0)


def test_the_finest_features_depend_on_the_coarsest(discriminator):
    features, images = discriminator.features, _images(2)
    before = features(images)[0]
    features.scale_2.zero_()
    assert not torch.equal(before, features(images)[0])


def test_the_class_is_part_of_the_judgement(discriminator):
    images = _images(2)
    discriminator.eval()  # training moves the estimates of the spectral norms with each call
    one, other = (discriminator(images, torch.full((2,), label)) for label in range(2))
    assert not torch.allclose(one, other)


def test_images_that_do_not_lead_to_patches_are_refused(vgg):
    with pytest.raises(ValueError, match="must be a multiple of 32, not 48"):
        ProjectedDiscriminator(vgg, _images(1, 48), classes=2)


def test_a_training_changes_the_heads_alone(discriminator):
    config = GANConfig(classes=2, colors=3, side=32, latent=4, channels=(8, 8, 8), bounded=True)
    settings = GeneratorSettings(
        steps=4, batch=4, latent=4, warm_up=1, r1_weight=0, learning_rate=1e-2
    )
    before = {name: each.clone() for name, each in discriminator.state_dict().items()}
    viewed = []

    def view(maps):
        viewed.append(maps.shape)
        return maps

    adversary = Adversary(discriminator, view, hinge_discriminator_loss, hinge_generator_loss)
    training = GANTraining(
        config, PixelDecoder(), PixelMaps(((_images(8) + 1) * 127.5).byte()), torch.arange(8) % 2,
        ("a", "b"), settings, torch.device("cpu"), adversary=adversary,
    )  # fmt: skip
    start = [each.detach().clone() for each in training._generator.parameters()]
    for step in range(2):
        assert all(value.isfinite() for value in training.update(step).checked.values())
    assert viewed == [(4, 3, 32, 32)] * 2
    after = discriminator.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.startswith("heads.") for name in changed)
    assert any(
        not torch.equal(one, other)
        for one, other in zip(start, training._generator.parameters(), strict=True)
    )


def test_the_hinge_loss_ignores_what_is_told_with_a_margin():
    real, fake = torch.tensor([[2.0, 0.5]]), torch.tensor([[-3.0, 0.0]])
    torch.testing.assert_close(hinge_discriminator_loss(real, fake), torch.tensor(0.75))
    torch.testing.assert_close(hinge_generator_loss(fake), torch.tensor(1.5))
