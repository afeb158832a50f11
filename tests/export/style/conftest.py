import pytest

from atelier_export.publishing.manifest import Manifest
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
