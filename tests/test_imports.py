"""The packages share the model repository and nothing else: who may import what."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = {
    "atelier",
    "atelier_serving",
    "atelier_onnxruntime",
    "atelier_supervisor",
    "atelier_tuning",
    "atelier_export",
}
PACKAGES = {
    "clients/atelier": OURS - {"atelier"} | {"torch", "onnx", "onnxruntime", "pytriton"},
    "serving/atelier_serving": OURS - {"atelier_serving", "atelier_supervisor"}
    | {"torch", "onnx", "tritonclient"},
    "serving/atelier_onnxruntime": OURS - {"atelier_onnxruntime"}
    | {"torch", "onnx", "tritonclient"},
    "serving/atelier_tuning": OURS - {"atelier_tuning", "atelier_serving"} | {"torch", "onnx"},
    "export/atelier_export": OURS - {"atelier_export"} | {"tritonclient", "pytriton"},
}
STOCK_CONTAINER = {"numpy", "PIL", "triton_python_backend_utils", *sys.stdlib_module_names}


def imports_of(file: Path) -> Iterator[str]:
    """Top-level names of everything that a file imports, wherever in the file it does so."""
    for node in ast.walk(ast.parse(file.read_text(), str(file))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_none_of_the_others(package):
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    for file in files:
        assert not set(imports_of(file)) & PACKAGES[package], file


def test_the_supervisor_needs_the_standard_library_alone():
    for file in sorted((ROOT / "serving/atelier_supervisor").glob("*.py")):
        assert set(imports_of(file)) <= {"atelier_supervisor", *sys.stdlib_module_names}, file


def test_models_need_numpy_and_pillow_alone():
    files = list((ROOT / "model_repository").rglob("*.py"))
    assert len({file.parent for file in files}) == 4
    for file in files:
        siblings = {path.stem for path in file.parent.glob("*.py")}
        assert set(imports_of(file)) <= STOCK_CONTAINER | siblings, file


def test_an_import_inside_a_function_is_seen(tmp_path):
    (tmp_path / "module.py").write_text("def f():\n    from torch.nn import Module\n")
    assert list(imports_of(tmp_path / "module.py")) == ["torch"]
