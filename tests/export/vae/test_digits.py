import numpy as np
import torch

from atelier_export.vae.bounds import Bounds
from atelier_export.vae.digits import DIGITS_NETWORK, binarise, bound_figures, digit_batch
from atelier_export.vae.network import VAE


def test_a_pixel_is_white_as_often_as_it_is_bright():
    grey = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 1, 1, 3).expand(5000, -1, -1, -1)
    white = binarise(grey, np.random.default_rng(0))
    assert set(white.unique().tolist()) == {0, 1}
    shares = white.mean(dim=0).flatten()
    assert shares[0] == 0
    assert abs(shares[1] - 0.2) < 0.02
    assert shares[2] == 1


def test_a_digit_is_to_be_rebuilt_as_it_is_seen():
    grey = torch.randint(0, 256, (3, 1, 28, 28), dtype=torch.uint8)
    seen, image = digit_batch(grey, np.random.default_rng(0))
    assert (seen == image).all()


def test_an_untrained_network_codes_a_pixel_by_a_bit():
    torch.manual_seed(0)
    network = VAE(DIGITS_NETWORK)
    image = digit_batch(
        torch.full((4, 1, 28, 28), 128, dtype=torch.uint8), np.random.default_rng(0)
    )[0]
    latent, _ = network.encoder(image)
    assert latent.shape == (4, 49)
    nats = -network.likelihood(network.decoder(latent), image) / 28**2
    torch.testing.assert_close(nats, torch.full((4,), 0.693), atol=0.05, rtol=0)


def test_figures_are_means_over_the_images():
    bounds = Bounds(
        torch.tensor([-80.0, -60]), torch.tensor([20.0, 30]), torch.tensor([-95.0, -89])
    )
    assert bound_figures(bounds) == {
        "images": 2,
        "elbo": -95,
        "reconstruction": -70,
        "kl": 25,
        "importance_weighted": -92,
        "importance_samples": 50,
    }
