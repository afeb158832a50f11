import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import ModuleType

import atelier

FRESH = """
import sys, time
start = time.process_time()
import atelier
seconds = time.process_time() - start
heavy = {"torch", "onnxruntime", "onnx", "click", "rich", "matplotlib"} & set(sys.modules)
print(seconds, *heavy)
"""


def test_everything_public_is_there():
    assert len(atelier.__all__) == len(set(atelier.__all__))
    for name in atelier.__all__:
        assert getattr(atelier, name) is not None
    visible = {
        name
        for name, value in vars(atelier).items()
        if not (name.startswith("_") or isinstance(value, ModuleType))
    }
    assert visible == set(atelier.__all__)


def test_the_version_is_that_of_the_installed_distribution():
    assert atelier.__version__ == metadata.version("atelier-art")


def test_types_are_public():
    assert (Path(atelier.__file__).parent / "py.typed").is_file()


def test_importing_is_quick_and_light():
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", FRESH], capture_output=True, text=True, check=True
    )
    seconds, *heavy = run.stdout.split()
    assert heavy == []
    # It takes 0.2 s of a processor, on a machine that does other things meanwhile too.
    assert float(seconds) < 2.0
