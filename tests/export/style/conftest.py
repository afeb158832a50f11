import itertools

import pytest
from onnx import TensorProto, checker, helper

from atelier_export.manifest import Manifest


def _graph(styles=2):
    """A network whose style 0 leaves a picture as it is, and whose style 1 inverts it."""
    nodes = [
        helper.make_node("Cast", ["image"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["white", "x"], ["inverted"]),
        *itertools.chain.from_iterable(
            (
                helper.make_node("Gather", ["style", f"place{number}"], [f"w{number}"], axis=1),
                helper.make_node("Reshape", [f"w{number}", "shape"], [f"v{number}"]),
                helper.make_node("Mul", [f"v{number}", picture], [f"part{number}"]),
            )
            for number, picture in enumerate(("x", "inverted"))
        ),
        helper.make_node("Add", ["part0", "part1"], ["y"]),
        helper.make_node("Cast", ["y"], ["stylized"], to=TensorProto.UINT8),
    ]
    constants = [
        helper.make_tensor("white", TensorProto.FLOAT, [], [255]),
        helper.make_tensor("shape", TensorProto.INT64, [4], [-1, 1, 1, 1]),
        helper.make_tensor("place0", TensorProto.INT64, [1], [0]),
        helper.make_tensor("place1", TensorProto.INT64, [1], [1]),
    ]
    picture = ["batch", "height", "width", 3]
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "style",
            [
                helper.make_tensor_value_info("image", TensorProto.UINT8, picture),
                helper.make_tensor_value_info("style", TensorProto.FLOAT, ["batch", styles]),
            ],
            [helper.make_tensor_value_info("stylized", TensorProto.UINT8, picture)],
            constants,
        ),
        opset_imports=[helper.make_opsetid("", 20)],
        ir_version=10,
    )
    checker.check_model(model)
    return model.SerializeToString()


def _publish(repository, styles=("red", "blue"), version=1, content=None):
    folder = repository / "style" / str(version)
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(_graph() if content is None else content)
    (folder / "manifest.json").write_bytes(Manifest({"styles": styles}, {}).to_json())
    return repository


@pytest.fixture(scope="session")
def publish():
    """Publishes a network that needs no training into a repository."""
    return _publish


@pytest.fixture(scope="session")
def repository(tmp_path_factory):
    return _publish(tmp_path_factory.mktemp("repository"))
