import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from atelier_export.style.checkpoint import (
    StyleCheckpoint,
    load_style_checkpoint,
    save_style_checkpoint,
)
from atelier_export.style.network import StyleNetwork, StyleNetworkConfig


@pytest.fixture
def checkpoint() -> StyleCheckpoint:
    network = StyleNetwork(StyleNetworkConfig(styles=2, channels=(4, 8, 8), blocks=(0, 0, 1)))
    return StyleCheckpoint(network, ("red", "blue"), {"steps": 7, "loss": [1.5, 0.5]})


def test_what_was_saved_comes_back(checkpoint, tmp_path):
    file = tmp_path / "new folder" / "style.safetensors"
    save_style_checkpoint(file, checkpoint)
    loaded = load_style_checkpoint(file)
    assert loaded.styles == checkpoint.styles
    assert loaded.training == checkpoint.training
    assert loaded.network.config == checkpoint.network.config
    assert not loaded.network.training
    image, style = torch.rand(1, 3, 20, 24), torch.eye(2)[:1]
    with torch.inference_mode():
        assert torch.equal(loaded.network(image, style), checkpoint.network(image, style))
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_names_must_be_as_many_as_styles(checkpoint, tmp_path):
    with pytest.raises(ValueError, match="1 names for a network of 2 styles"):
        StyleCheckpoint(checkpoint.network, ("red",), {})
    file = tmp_path / "style.safetensors"
    save_style_checkpoint(file, checkpoint)
    with safe_open(file, framework="pt") as opened:
        metadata = opened.metadata() | {"styles": '["red"]'}
    save_file(load_file(file), file, metadata)
    with pytest.raises(ValueError, match="1 names for a network of 2 styles"):
        load_style_checkpoint(file)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.safetensors does not exist"):
        load_style_checkpoint(tmp_path / "nothing.safetensors")
    with pytest.raises(FileNotFoundError, match=f"{tmp_path} is a folder; `atelier train style`"):
        load_style_checkpoint(tmp_path)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"\xff" * 100])
def test_a_broken_file_is_refused(content, tmp_path):
    file = tmp_path / "style.safetensors"
    file.write_bytes(content)
    with pytest.raises(ValueError, match="not a safetensors file"):
        load_style_checkpoint(file)


def test_a_truncated_file_is_refused(checkpoint, tmp_path):
    file = tmp_path / "style.safetensors"
    save_style_checkpoint(file, checkpoint)
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ValueError, match="not a safetensors file"):
        load_style_checkpoint(file)


@pytest.mark.parametrize("metadata", [None, {"kind": "something else"}])
def test_another_safetensors_file_is_refused(metadata, tmp_path):
    file = tmp_path / "style.safetensors"
    save_file({"weight": torch.zeros(1)}, file, metadata)
    with pytest.raises(ValueError, match="not 'atelier style network 2'; `atelier train"):
        load_style_checkpoint(file)


def test_the_metadata_can_be_read_by_any_tool(checkpoint, tmp_path):
    file = tmp_path / "style.safetensors"
    save_style_checkpoint(file, checkpoint)
    content = file.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert json.loads(header["__metadata__"]["styles"]) == ["red", "blue"]
