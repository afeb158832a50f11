import copy
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from atelier_export.losses.vgg import VGG19
from atelier_export.vae.network import VAE, VAEConfig
from atelier_export.vae.paintings import painting_batch
from atelier_export.vae.perceptual import PerceptualDistance
from atelier_export.vae.settings import PaintingSettings
from atelier_export.vae.training import VAETraining

SETTINGS = PaintingSettings(
    steps=8, batch=8, side=16, latent_channels=2, kl_warm_up=4, warm_up=1, averaging=0.5
)
CONFIG = VAEConfig(side=16, channels=(8, 12), blocks=(0, 1), latent_channels=2)


def _images():
    """Slopes of colours, each of its own."""
    random = torch.Generator().manual_seed(0)
    corners = torch.rand(24, 3, 2, 2, generator=random) * 255
    images = torch.nn.functional.interpolate(corners, (16, 16), mode="bilinear")
    return images.round().to(torch.uint8)


def _training(settings=SETTINGS, perceptual=None):
    torch.manual_seed(settings.seed)
    images = _images()
    prepare = partial(painting_batch, settings=settings)
    return VAETraining(VAE(CONFIG), images[:20], images[20:], prepare, settings, perceptual)


def _weights(training):
    return torch.cat([weight.detach().flatten() for weight in training.result.parameters()])


def test_a_training_learns_to_rebuild():
    settings = replace(SETTINGS, steps=120, learning_rate=1e-2, corrupted=0, averaging=0.9)
    training = _training(settings)
    terms = [training.update(step).terms for step in range(120)]
    assert terms[-1]["bits_per_dimension"] < terms[0]["bits_per_dimension"] - 0.7
    image = _images()[20:] / 255
    error = (training.result(image) - image).abs().mean()
    assert error < 0.7 * (image.mean(dim=(0, 2, 3), keepdim=True) - image).abs().mean()


def test_the_terms_are_those_of_the_bound():
    update = _training().update(0)
    terms = update.terms
    assert set(terms) == {"reconstruction", "kl", "bits_per_dimension"}
    assert set(update.checked) == {"loss", "gradient"}
    values = [*terms.values(), *update.checked.values()]
    assert all(value.shape == () and not value.requires_grad for value in values)
    # In the first of four steps the divergence weighs a quarter.
    expected = (terms["reconstruction"] + 0.25 * terms["kl"]) / CONFIG.dimensions
    torch.testing.assert_close(update.checked["loss"], expected)
    bits = (terms["reconstruction"] + terms["kl"]) / CONFIG.dimensions / torch.tensor(2.0).log()
    torch.testing.assert_close(terms["bits_per_dimension"], bits)


def test_the_perceptual_distance_is_no_part_of_the_bound():
    torch.manual_seed(1)
    distance = PerceptualDistance(VGG19())
    with_it, without = _training(perceptual=(distance, 2.0, 3)).update(0), _training().update(0)
    for name in without.terms:
        torch.testing.assert_close(with_it.terms[name], without.terms[name])
    assert set(with_it.terms) - set(without.terms) == {"perceptual"}
    torch.testing.assert_close(
        with_it.checked["loss"], without.checked["loss"] + 2 * with_it.terms["perceptual"]
    )


def test_the_perceptual_distance_grows_with_the_difference():
    torch.manual_seed(1)
    distance, image = PerceptualDistance(VGG19()), _images()[:3] / 255
    other = (image + 0.1 * torch.randn(image.shape)).clamp(0, 1)
    none, some, much = distance(image, image), distance(other, image), distance(1 - image, image)
    assert (none == 0).all()
    assert (some > 0).all()
    assert (much > some).all()


def test_a_training_goes_on_exactly():
    whole = _training()
    for step in range(6):
        whole.update(step)

    first = _training()
    for step in range(3):
        first.update(step)
    state = copy.deepcopy({name: part.state_dict() for name, part in first.parts.items()})
    resumed = _training(replace(SETTINGS, seed=0))
    for name, part in resumed.parts.items():
        part.load_state_dict(state[name])
    for step in range(3, 6):
        resumed.update(step)

    assert (_weights(whole) == _weights(resumed)).all()


def test_another_seed_gives_other_weights():
    trainings = [_training(), _training(replace(SETTINGS, seed=1))]
    for each in trainings:
        each.update(0)
    assert (_weights(trainings[0]) != _weights(trainings[1])).any()


def test_the_likelihoods_scale_is_learnt():
    training = _training(replace(SETTINGS, learning_rate=1e-2))
    before = training._network.likelihood.scale.item()
    for step in range(4):
        training.update(step)
    assert training._network.likelihood.scale.item() != pytest.approx(before, rel=1e-3)


def test_the_sheet_shows_images_inputs_and_what_is_rebuilt():
    sheet = _training().samples()
    assert sheet.width >= 3 * 128
    assert sheet.height >= 4 * 128


def test_a_batch_is_of_different_images():
    with pytest.raises(ValueError, match="20 images to learn from; --batch must not be above"):
        _training(replace(SETTINGS, batch=21))


def test_paintings_are_mirrored_with_what_they_become():
    settings = replace(SETTINGS, flip=1, corrupted=0)
    images = torch.randint(0, 256, (4, 3, 16, 16), dtype=torch.uint8)
    corrupted, image = painting_batch(images, np.random.default_rng(0), settings)
    torch.testing.assert_close(image, images.flip(3) / 255)
    torch.testing.assert_close(corrupted, image)
