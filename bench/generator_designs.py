"""Which generator of paintings learns most in the same time: three designs side by side.

    python bench/generator_designs.py --paintings PAINTINGS.tar --vgg VGG.safetensors -o designs

Each is trained for as many steps as some CPU seconds are estimated to allow, or `--steps` if these
are less, and then measured as the published generator is, with all images at 64×64. Prints a
Markdown table, and writes designs.json and, for each design, a sheet of samples to the output
folder. Killed at any moment, the same command goes on.
"""

import argparse
import json
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from atelier_export.data.images import to_levels
from atelier_export.data.labelled_images import LabelledImages
from atelier_export.data.paintings import read_paintings
from atelier_export.generator.evaluation import SEED, set_figures
from atelier_export.generator.judge import Judge
from atelier_export.generator.losses import hinge_discriminator_loss, hinge_generator_loss
from atelier_export.generator.maps import PixelMaps, encode_paintings
from atelier_export.generator.network import GANConfig
from atelier_export.generator.painter import LatentDecoder, PixelDecoder, draw_latents, paint
from atelier_export.generator.projected import ProjectedDiscriminator
from atelier_export.generator.settings import PaintingSettings
from atelier_export.generator.training import Adversary, GANTraining
from atelier_export.losses.vgg import VGG19
from atelier_export.reports.markdown import table
from atelier_export.settings import RunSettings
from atelier_export.training.loop import Update, run_training
from atelier_export.vae.checkpoint import load_vae_checkpoint

SIDE = 64
"""Side at which the projected discriminators see images, and at which all designs are measured."""
PIXEL_CHANNELS = (128, 128, 96, 48, 24)
"""Of the stages of the generator of pixels, from 4×4 to 64×64: 0.2 GMAC."""
STANDARDISED = 128
"""Paintings of which the moments of VGG's features are measured."""
REHEARSAL = (2, 6)
"""Steps before the clock starts, and steps that are timed, to know how many the time allows."""
# Short trainings: a moving average of 1,000 steps would still be made of the first ones.
SETTINGS = PaintingSettings(averaging=0.99, warm_up=20)
PROJECTED = replace(SETTINGS, batch=16, r1_weight=0.0)

Design = Callable[[int], GANTraining]
"""Makes a training of some number of steps."""


class Clock:
    """Wall and CPU seconds that updates took, also those before an interruption."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0

    def state_dict(self) -> dict[str, Any]:
        return {"wall": self.wall, "cpu": self.cpu}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.wall, self.cpu = state_dict["wall"], state_dict["cpu"]


class TimedTraining:
    """A training whose updates are timed, see `training.loop.Training`."""

    def __init__(self, training: GANTraining) -> None:
        self.training, self.clock = training, Clock()
        self.steps, self.made_from = training.steps, training.made_from
        self.parts = {**training.parts, "clock": self.clock}
        self.start, self.samples = training.start, training.samples

    def update(self, step: int) -> Update:
        wall, cpu = time.monotonic(), time.process_time()
        update = self.training.update(step)
        self.clock.wall += time.monotonic() - wall
        self.clock.cpu += time.process_time() - cpu
        return update


def make_designs(
    large: LabelledImages, small: LabelledImages, vae_path: Path, vgg: VGG19
) -> dict[str, Design]:
    """The designs by name, of the same paintings at the autoencoder's side and at 64×64."""
    vae = load_vae_checkpoint(vae_path).network.to(memory_format=torch.channels_last)
    vae.requires_grad_(False)
    indices = large.indices("training")
    latents = encode_paintings(vae, large.images[indices], SETTINGS.flip)
    decoder = LatentDecoder(vae, *latents.moments())
    pixels = PixelMaps(small.images[indices], SETTINGS.flip)
    few = torch.linspace(0, len(indices) - 1, STANDARDISED).long()
    examples = pixels.images[few].float() / 127.5 - 1
    classes = len(large.classes)
    map_config = GANConfig(
        classes, vae.config.latent_channels, vae.config.latent_side, SETTINGS.latent,
        SETTINGS.channels,
    )  # fmt: skip
    pixel_config = GANConfig(classes, 3, SIDE, SETTINGS.latent, PIXEL_CHANNELS, bounded=True)

    def projected(view: Callable[[Tensor], Tensor]) -> Adversary:
        torch.manual_seed(SETTINGS.seed)
        discriminator = ProjectedDiscriminator(vgg, examples, classes)
        return Adversary(discriminator, view, hinge_discriminator_loss, hinge_generator_loss)

    def decoded(maps: Tensor) -> Tensor:
        return at_side(decoder(maps)) * 2 - 1  # (B, 3, 64, 64)

    def training(
        config: GANConfig, maps: Any, settings: PaintingSettings, adversary: Adversary | None
    ) -> GANTraining:
        images = PixelDecoder() if config.bounded else decoder
        return GANTraining(
            config, images, maps, large.labels[indices], large.classes, settings,
            torch.device("cpu"), adversary=adversary,
        )  # fmt: skip

    return {
        "map discriminator": lambda steps: training(
            map_config, latents.standardised(), replace(SETTINGS, steps=steps), None
        ),
        "projected, pixels": lambda steps: training(
            pixel_config, pixels, replace(PROJECTED, steps=steps), projected(lambda maps: maps)
        ),
        "projected, maps": lambda steps: training(
            map_config, pixels, replace(PROJECTED, steps=steps), projected(decoded)
        ),
    }


def at_side(images: Tensor) -> Tensor:
    """Images (n, C, N, N) in 0..1 at 64×64."""
    if images.shape[-1] == SIDE:
        return images
    return F.interpolate(images, [SIDE] * 2, mode="bilinear", antialias=True)


def allowed_steps(design: Design, cpu_seconds: float, most: int) -> int:
    """The steps that a time allows, by a rehearsal."""
    rehearsal = TimedTraining(design(most))
    for step in range(sum(REHEARSAL)):
        if step == REHEARSAL[0]:
            rehearsal.clock.cpu = 0.0
        rehearsal.update(step)
    return max(1, min(most, int(cpu_seconds * REHEARSAL[1] / rehearsal.clock.cpu)))


def figures_table(result: dict[str, Any]) -> str:
    """The figures of all designs as Markdown."""
    rows = [["held-out paintings", "–", "–", "–", "–", *_figures(result["held_out"])]]
    rows += [
        [
            name, f"{each['steps']:,}", str(each["batch"]), f"{each['cpu_seconds']:.0f}",
            f"{each['wall_seconds']:.0f}", *_figures(each["figures"]),
        ]
        for name, each in result["designs"].items()
    ]  # fmt: skip
    headings = ["design", "steps", "batch", "CPU s", "s", "Fréchet distance", "diversity"]
    return table([*headings, "recognised"], rows)


def _figures(figures: dict[str, float]) -> list[str]:
    return [
        f"{figures['frechet_distance']:.1f}", f"{figures['diversity']:.1f}",
        f"{figures['recognised']:.1%}",
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    checkpoints = Path("export/checkpoints")
    parser.add_argument("--paintings", type=Path, required=True)
    parser.add_argument("--vgg", type=Path, required=True)
    parser.add_argument("--vae", type=Path, default=checkpoints / "vae/vae.safetensors")
    parser.add_argument(
        "--classifier", type=Path, default=checkpoints / "classifier/classifier.safetensors"
    )
    parser.add_argument("--cpu-seconds", type=float, default=1800)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")

    # Data
    small = read_paintings(arguments.paintings, SIDE)
    judge = Judge(arguments.classifier, small.classes)
    large = read_paintings(
        arguments.paintings, load_vae_checkpoint(arguments.vae).network.config.side
    )
    designs = make_designs(large, small, arguments.vae, VGG19.load(arguments.vgg))
    reference = judge(small.images[small.indices("training")])
    held_out = small.indices("validation")
    labels = small.labels[held_out]
    result: dict[str, Any] = {
        "held_out": set_figures(judge(small.images[held_out]), labels.numpy(), reference),
        "designs": {},
    }

    for name, design in designs.items():
        # Train
        output = arguments.output / name.replace(", ", "-").replace(" ", "-")
        output.mkdir(parents=True, exist_ok=True)
        known = output / "steps.json"
        if not known.exists():
            steps = allowed_steps(design, arguments.cpu_seconds, arguments.steps)
            known.write_text(json.dumps(steps), encoding="utf-8")
        timed = TimedTraining(design(json.loads(known.read_text(encoding="utf-8"))))
        run_training(timed, RunSettings(output=output, save_every=50, sample_every=250))

        # Measure
        painter = timed.training.result.eval()
        latents = torch.from_numpy(
            draw_latents(np.random.default_rng(SEED), len(labels), SETTINGS.latent)
        )
        images = to_levels(at_side(paint(painter, latents, labels)))  # (n, 3, 64, 64)
        timed.samples().save(output / "samples.png")
        result["designs"][name] = {
            "steps": timed.steps,
            "batch": timed.made_from["batch"],
            "cpu_seconds": timed.clock.cpu,
            "wall_seconds": timed.clock.wall,
            "figures": set_figures(judge(images), labels.numpy(), reference),
        }
        text = json.dumps(result, indent=1) + "\n"
        (arguments.output / "designs.json").write_text(text, encoding="utf-8")
        print(figures_table(result), flush=True)


if __name__ == "__main__":
    main()
