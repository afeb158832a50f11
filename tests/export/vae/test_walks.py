import numpy as np
import pytest

from atelier_export.vae.walks import morph, morph_figures, variation_figures, variations


class Blocks:
    """Stands for the published autoencoder: a latent is the mean of each 2×2 block, in 0..1."""

    def encode(self, images):
        blocks = images.reshape(len(images), 4, 2, 4, 2, 3).mean(axis=(2, 4)) / 255
        mean = blocks.reshape(len(images), -1).astype(np.float32)
        return mean, np.full_like(mean, 2 * np.log(0.02))

    def decode(self, latents):
        blocks = (latents.reshape(-1, 4, 4, 3) * 255).round().clip(0, 255).astype(np.uint8)
        return blocks.repeat(2, axis=1).repeat(2, axis=2)

    def rebuild(self, images):
        return self.decode(self.encode(images)[0])


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)


def test_a_morph_leads_from_one_image_to_the_other_in_even_steps(images):
    model = Blocks()
    frames = morph(model, images[0], images[1], 5)
    assert frames.shape == (5, 8, 8, 3)
    np.testing.assert_array_equal(frames[[0, -1]], model.rebuild(images[:2]))
    half = frames[[0, -1]].astype(float).mean(axis=0)
    assert np.abs(frames[2] - half).max() <= 1


def test_the_figures_of_morphs(images):
    figures = morph_figures(Blocks(), images)
    assert figures["pairs"] == 2
    assert figures["largest_step"] == pytest.approx(1, abs=0.05)
    # What it decodes it knows; of two images of noise it keeps the blocks alone.
    assert figures["midpoint"] > 40 > figures["cross_fade"]


def test_variations_lie_around_the_rebuilt_image(images):
    model = Blocks()
    random = np.random.default_rng(0)
    np.testing.assert_array_equal(variations(model, images, 0, random), model.rebuild(images))
    varied = variations(model, images, 1, random).astype(float)
    # A deviation of 0.02 · 255 levels, a little less where levels are cut off.
    assert 4 < (varied - model.rebuild(images)).std() < 5.5


def test_the_stronger_the_variation_the_farther_away(images):
    figures = variation_figures(Blocks(), images, seed=1)
    assert figures["1"] > figures["2"] > figures["4"]
    assert figures["1"] == pytest.approx(variation_figures(Blocks(), images, seed=1)["1"])
