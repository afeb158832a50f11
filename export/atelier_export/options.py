"""What the commands of this room have in common on the command line."""

import logging
from pathlib import Path

import click

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)

photographs = click.option(
    "--photographs", type=click.Path(path_type=Path, exists=True), required=True,
    help="Folder or uncompressed tar archive of photographs.",
)  # fmt: skip
paintings = click.option(
    "--paintings", type=FOLDER, required=True,
    help="Folder with the painting of every style, named like it.",
)  # fmt: skip
vgg = click.option(
    "--vgg", type=FILE, required=True,
    help="Weights of VGG-19 conv1_1 to conv5_1 as safetensors (convX_Y.weight and .bias).",
)  # fmt: skip
device = click.option(
    "--device", default="cpu", show_default=True, help="A torch device: cpu, cuda."
)


def log_to_terminal() -> None:
    """Shows how the work goes on, each line with the time of day."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
