import numpy as np
import onnx
import pytest

from atelier_export.style.published import PublishedStyle
from fakes.style_network import IN_TWO_STYLES, style_graph


def test_the_newest_version_is_measured(publish, tmp_path):
    publish(tmp_path, version=9, content=b"old")
    publish(tmp_path, version=10)
    (tmp_path / "style" / "11").mkdir()  # holds no model
    network = PublishedStyle(tmp_path)
    assert network.version == 10
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    np.testing.assert_array_equal(network.paint(image, "red"), image)
    np.testing.assert_array_equal(network.paint(image, "blue"), 255 - image)


def test_repositories_that_cannot_be_measured(publish, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no version with a model\.onnx"):
        PublishedStyle(tmp_path)
    fixed = onnx.load_from_string(style_graph(IN_TWO_STYLES.values()))
    fixed.graph.input[1].type.tensor_type.shape.dim[1].dim_value = 2
    publish(tmp_path / "fixed", content=fixed.SerializeToString())
    with pytest.raises(ValueError, match=r"weights of any number\); export it again"):
        PublishedStyle(tmp_path / "fixed")
    publish(tmp_path / "broken", content=b"no graph")
    with pytest.raises(ValueError, match="ONNX Runtime refuses the graph"):
        PublishedStyle(tmp_path / "broken")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"No such file or directory.*manifest\.json.*export it again"),
        (b"{", r"style/1 cannot be evaluated.*export it again"),
        (b'{"measured": {}}', r"manifest\.json names no styles; export it again"),
        (b'{"styles": null, "measured": {}}', "names no styles"),
    ],
)
def test_a_version_without_its_manifest_cannot_be_measured(publish, tmp_path, content, message):
    manifest = publish(tmp_path) / "style" / "1" / "manifest.json"
    manifest.unlink()
    if content is not None:
        manifest.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        PublishedStyle(tmp_path)
