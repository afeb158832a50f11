"""What lies in `model_repository`, beside what the families write."""

import json
from pathlib import Path

import pytest

from atelier_export.families import FAMILIES
from atelier_export.onnx_graph.quantisation import quantise
from atelier_export.publishing.gpu_configs import gpu_configs
from atelier_export.publishing.manifest import fingerprints
from atelier_export.publishing.publish import INT8_MODEL, MODEL
from atelier_export.publishing.repository import versions

ROOT = Path(__file__).parents[3]
REPOSITORY = ROOT / "model_repository"


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda family: family.name)
def test_the_configurations_are_those_of_the_families(family):
    for model in family.module.served_models(ROOT / family.checkpoint):
        folder = REPOSITORY / model.name
        assert (folder / "config.pbtxt").read_text() == model.config
        configs = {
            str(path.relative_to(folder)): path.read_text() for path in folder.glob("*/*.pbtxt")
        }
        assert configs == gpu_configs(model)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda family: family.name)
def test_the_8_bit_files_are_those_of_the_calibrations(family):
    for model in family.module.served_models(ROOT / family.checkpoint):
        for version in versions(REPOSITORY / model.name) if model.graph else ():
            folder = REPOSITORY / model.name / str(version)
            expected = quantise((folder / MODEL).read_bytes(), model.quantised.ranges)
            assert (folder / INT8_MODEL).read_bytes() == expected


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
