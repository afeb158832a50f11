"""A generator that has learnt nothing, small enough to be exported within a test."""

from pathlib import Path

import torch

from atelier_export.generator.checkpoint import GeneratorCheckpoint, save_generator_checkpoint
from atelier_export.generator.family import served_models
from atelier_export.generator.network import GANConfig, Generator
from atelier_export.generator.painter import LatentDecoder, Painter
from atelier_export.publishing.publish import publish
from atelier_export.vae.network import VAE, VAEConfig
from fakes.python_models import copy_code

LENGTH = 6
SIDE = 16
MOVEMENTS = ("cubism", "naive_art", "ukiyo_e")


def publish_generator(repository: Path) -> None:
    """Publishes it into a model repository, with all that is published of a generator."""
    torch.manual_seed(0)
    config = GANConfig(classes=len(MOVEMENTS), colors=2, side=8, latent=LENGTH, channels=(8, 6))
    vae = VAE(VAEConfig(side=SIDE, channels=(4, 6), blocks=(0, 1), latent_channels=2))
    painter = Painter(Generator(config), LatentDecoder(vae))
    checkpoint = repository.with_name("generator.safetensors")
    save_generator_checkpoint(checkpoint, GeneratorCheckpoint(painter, MOVEMENTS, {}))
    for model in ("latents", "generate"):
        copy_code(repository, model)
    publish(served_models(checkpoint), checkpoint, repository)
