import subprocess
import sys
from pathlib import Path

import pytest
import torch

from atelier_export.publishing.manifest import Manifest
from atelier_export.style.checkpoint import StyleCheckpoint, save_style_checkpoint
from atelier_export.style.network import ConditionalInstanceNorm, StyleNetwork, StyleNetworkConfig
from fakes.style_network import IN_TWO_STYLES, style_graph


def _publish(repository, styles=("red", "blue"), version=1, content=None):
    folder = repository / "style" / str(version)
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(
        style_graph(IN_TWO_STYLES.values()) if content is None else content
    )
    (folder / "manifest.json").write_bytes(Manifest({"styles": styles}, {}).to_json())
    return repository


@pytest.fixture(scope="session")
def publish():
    """Publishes the network of `fakes.style_network` into a repository: as it is, and inverted."""
    return _publish


@pytest.fixture(scope="session")
def repository(tmp_path_factory):
    return _publish(tmp_path_factory.mktemp("repository"))


@pytest.fixture(scope="session")
def checkpoint_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network with three random styles."""
    torch.manual_seed(0)
    network = StyleNetwork(StyleNetworkConfig(styles=3, channels=(4, 8), blocks=(0, 1)))
    for module in network.modules():
        if isinstance(module, ConditionalInstanceNorm):
            torch.nn.init.normal_(module.scale, 1, 0.3)
            torch.nn.init.normal_(module.shift, 0, 0.3)
    file = tmp_path_factory.mktemp("checkpoint") / "small.safetensors"
    save_style_checkpoint(file, StyleCheckpoint(network, ("red", "green", "blue"), {}))
    return file


@pytest.fixture(scope="session")
def exported(checkpoint_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository that the command writes of `checkpoint_file`, in a process of its own."""
    folder = tmp_path_factory.mktemp("elsewhere")
    command = "from atelier_export.commands.groups import export; export()"
    arguments = ["style", "--checkpoint", checkpoint_file, "--model-repository", "repository"]
    said = subprocess.run(
        [sys.executable, "-W", "error", "-c", command, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (said.returncode, said.stderr) == (0, "")
    assert "exporting" in said.stdout
    published = folder / "repository" / "style" / "1"
    assert said.stdout.endswith(f"published version 1 in {published}\n")
    return folder / "repository"


@pytest.fixture(scope="session")
def graph(exported: Path) -> bytes:
    """The network of `checkpoint_file`, exported once for all files: that takes many seconds."""
    return (exported / "style" / "1" / "model.onnx").read_bytes()
