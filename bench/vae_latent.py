"""Which latent an autoencoder of paintings should have: a map, or a vector.

    python bench/vae_latent.py --paintings PAINTINGS.tar [--steps 1500]

Trains a small network of each kind on clean paintings of 64×64 for as many steps, without the
perceptual term, and prints for validation paintings: PSNR of what is rebuilt, KL divergence in nats
and bits a dimension.
"""

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from atelier_export.data.paintings import read_paintings
from atelier_export.settings import RunSettings
from atelier_export.training.loop import run_training
from atelier_export.vae.bounds import bits_per_dimension, kl_divergence
from atelier_export.vae.network import VAE, VAEConfig
from atelier_export.vae.paintings import painting_batch
from atelier_export.vae.settings import PaintingSettings
from atelier_export.vae.training import VAETraining

SIDE = 64
# Stages that lead to a map of 8×8×4 numbers, and on to a vector of as many.
MAP = VAEConfig(side=SIDE, latent_channels=4)
LATENTS = {
    "map": MAP,
    "vector": replace(
        MAP, channels=(*MAP.channels, 128, 192, 256), blocks=(*MAP.blocks, 1, 1, 1),
        latent_channels=MAP.latent,
    ),
}  # fmt: skip


@torch.no_grad()
def figures(network: VAE, images: torch.Tensor) -> str:
    """PSNR, KL divergence and bits a dimension of images (n, 3, N, N) in 0..1."""
    mean, log_variance = network.encoder(images)  # (n, L) each
    location = network.decoder(mean)  # (n, 3, N, N)
    error = (network.likelihood.image(location) - images).square().mean(dim=(1, 2, 3))
    latent = mean + (log_variance / 2).exp() * torch.randn_like(mean)
    kl = kl_divergence(mean, log_variance)
    nats = kl - network.likelihood(network.decoder(latent), images)
    bits = bits_per_dimension(nats.mean(), network.config.dimensions)
    psnr = (-10 * error.log10()).mean()
    return f"PSNR {psnr:.2f} dB  KL {kl.mean():.0f} nats  {bits:.3f} bits a dimension"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--paintings", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1500)
    arguments = parser.parse_args()

    paintings = read_paintings(arguments.paintings, SIDE)
    settings = PaintingSettings(
        steps=arguments.steps, side=SIDE, kl_warm_up=max(1, arguments.steps // 4),
        corrupted=0, averaging=0.99,
    )  # fmt: skip
    validation = paintings.images[paintings.indices("validation")]
    for name, config in LATENTS.items():
        torch.manual_seed(settings.seed)
        training = VAETraining(
            VAE(config),
            paintings.images[paintings.indices("training")],
            validation[:0],
            partial(painting_batch, settings=settings),
            settings,
        )
        with TemporaryDirectory() as output:
            run_training(training, RunSettings(output=Path(output)))
        network = training.result.eval()
        size = sum(each.numel() for each in network.parameters())
        print(f"{name} of {config.latent}, {size:,} parameters:", flush=True)
        print(f"  {figures(network, validation[:512].float() / 255)}", flush=True)


if __name__ == "__main__":
    main()
