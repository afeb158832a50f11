import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from atelier_export.generator.maps import PixelMaps
from atelier_export.generator.network import GANConfig
from atelier_export.generator.painter import PixelDecoder
from atelier_export.generator.settings import GeneratorSettings
from atelier_export.generator.training import GANTraining

SETTINGS = GeneratorSettings(
    steps=8, batch=8, latent=6, r1_every=2, warm_up=1, averaging=0.5, seed=0
)
CONFIG = GANConfig(classes=2, colors=1, side=8, latent=6, channels=(12, 8))


def _images():
    """Forty images: the even ones dark on top, the odd ones dark below."""
    random = torch.Generator().manual_seed(0)
    images = torch.randint(0, 40, (40, 1, 8, 8), generator=random)
    images[::2, :, 4:] += 215
    images[1::2, :, :4] += 215
    return images.to(torch.uint8)


def _training(settings=SETTINGS):
    return GANTraining(
        CONFIG,
        PixelDecoder(),
        PixelMaps(_images()),
        torch.arange(40) % 2,
        ("dark above", "dark below"),
        settings,
        torch.device("cpu"),
    )


def _weights(training):
    networks = (training.result.generator, training._discriminator)
    return torch.cat([each.detach().flatten() for net in networks for each in net.parameters()])


def test_a_generator_learns_what_its_classes_look_like():
    settings = replace(
        SETTINGS, steps=150, batch=16, learning_rate=5e-3, averaging=0.9, translation=0, cutout=0
    )
    training = _training(settings)
    for step in range(150):
        training.update(step)
    for label in range(2):
        latent = torch.randn(8, 6, generator=torch.Generator().manual_seed(label))
        image = training.result(latent, torch.full((8,), label)).mean(dim=(0, 1, 3))  # (8,)
        above, below = image[:4].mean(), image[4:].mean()
        assert (below - above if label == 0 else above - below) > 0.4


def test_the_terms_are_those_of_both_networks():
    training = _training()
    updates = [training.update(step) for step in range(2)]
    for update in updates:
        assert set(update.terms) == {
            "discriminator", "generator", "r1", "real_accuracy", "fake_accuracy"
        }  # fmt: skip
        assert all(each.shape == () and not each.requires_grad for each in update.terms.values())
        assert all(value.isfinite() for value in update.checked.values())
        assert 0 <= update.terms["real_accuracy"] <= 1
    # The penalty is taken every second step, and then weighs twice.
    first, second = updates
    assert second.terms["r1"].isnan()
    expected = first.terms["discriminator"] + 0.5 * 2 * first.terms["r1"]
    torch.testing.assert_close(first.checked["discriminator's loss"], expected)
    torch.testing.assert_close(
        second.checked["discriminator's loss"], second.terms["discriminator"]
    )


def test_the_penalty_keeps_the_gradient_small():
    slopes = []
    for weight in (0, 50):
        training = _training(replace(SETTINGS, steps=60, r1_weight=weight, r1_every=1))
        for step in range(40):
            training.update(step)
        training._settings = replace(SETTINGS, r1_weight=1, r1_every=1)
        slopes.append(training.update(41).terms["r1"].item())
    assert slopes[1] < slopes[0] / 3


def test_a_training_goes_on_exactly():
    whole = _training()
    for step in range(6):
        whole.update(step)

    first = _training()
    for step in range(3):
        first.update(step)
    state = copy.deepcopy({name: part.state_dict() for name, part in first.parts.items()})
    torch.manual_seed(1)
    resumed = _training()
    resumed.update(0)  # whatever it holds is replaced
    for name, part in resumed.parts.items():
        part.load_state_dict(state[name])
    for step in range(3, 6):
        resumed.update(step)

    assert (_weights(whole) == _weights(resumed)).all()


def test_another_seed_gives_other_weights():
    trainings = [_training(), _training(), _training(replace(SETTINGS, seed=1))]
    for each in trainings:
        each.update(0)
    first, again, other = map(_weights, trainings)
    assert (first == again).all()
    assert (first != other).any()


def test_what_is_made_of_other_data_is_not_resumed():
    assert _training().made_from["network"]["side"] == 8
    assert _training().made_from["r1_weight"] == 0.5


def test_rare_classes_are_drawn_more_often():
    training = _training()
    labels = torch.tensor([0] * 36 + [1] * 4)
    for balance, share in ((0, 0.1), (1, 0.5)):
        training = GANTraining(
            CONFIG, PixelDecoder(), PixelMaps(_images()), labels, ("a", "b"),
            replace(SETTINGS, balance=balance), torch.device("cpu"),
        )  # fmt: skip
        assert np.sum(training._frequencies[36:]) == pytest.approx(share)


def test_the_sheet_shows_each_class_in_a_column():
    sheet = _training().samples()
    assert sheet.width >= 2 * 64
    assert sheet.height >= 6 * 64


def test_a_batch_is_of_different_images():
    with pytest.raises(ValueError, match="40 images to learn from; --batch must not be above"):
        _training(replace(SETTINGS, batch=41))
