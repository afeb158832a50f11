"""What lies in `model_repository`, beside what the families write."""

import json
from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from atelier_export.families import FAMILIES
from atelier_export.publishing.manifest import fingerprints

ROOT = Path(__file__).parents[3]
REPOSITORY = ROOT / "model_repository"
LATE = (
    "stylize",
    "decode",
    "style",
    "encode",
    "classifier",
    "generator",
    "vae_encoder",
    "vae_decoder",
)
"""The models whose requests wait for something that takes time."""


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda family: family.name)
def test_the_configurations_are_those_of_the_families(family):
    for model in family.module.served_models(ROOT / family.checkpoint):
        assert (REPOSITORY / model.name / "config.pbtxt").read_text() == model.config


def test_manifests_name_the_files_that_are_there():
    manifests = list(REPOSITORY.glob("*/*/manifest.json"))
    assert len(manifests) >= 8
    for path in manifests:
        manifest = json.loads(path.read_text())
        for folder, files in [
            (path.parent, manifest["files"]),
            *(
                (REPOSITORY / name / path.parent.name, files)
                for name, files in manifest.get("published_with", {}).items()
            ),
        ]:
            assert files == fingerprints({name: (folder / name).read_bytes() for name in files})


@pytest.mark.parametrize("model", LATE)
def test_work_that_may_wait_has_a_priority_and_every_queue_an_end(model):
    text = (REPOSITORY / model / "config.pbtxt").read_text()
    batching = text_format.Parse(text, ModelConfig()).dynamic_batching
    assert (batching.priority_levels, batching.default_priority_level) == (2, 1)
    policy = batching.default_queue_policy
    assert policy.max_queue_size == 256
    assert policy.allow_timeout_override
