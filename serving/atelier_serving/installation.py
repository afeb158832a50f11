"""Where Triton lies: in the wheel `nvidia-pytriton`, with a stub for each version of Python."""

import ctypes.util
import importlib.metadata
import importlib.util
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from atelier_serving.errors import StartError


@dataclass(frozen=True)
class Installation:
    """The parts of Triton that belong to the running Python.

    Attributes:
        binary: The server.
        caches: The directory of response caches.
        python_backend: The directory of the Python backend's library and utilities.
        stub: The program that runs Python models, built for this version of Python.
        libpython: The shared library of this Python, which the stub needs; None where the
            dynamic loader finds it without help.
    """

    binary: Path
    caches: Path
    python_backend: Path
    stub: Path
    libpython: Path | None


def find_installation() -> Installation:
    """Finds Triton and checks that this Python can serve with it.

    Raises:
        ModuleNotFoundError: The extra that brings Triton or ONNX Runtime is not installed.
        StartError: The Python or its numpy does not fit.
    """
    # find_spec does not run the package, whose import starts threads and takes a second.
    found = {name: importlib.util.find_spec(name) for name in ("pytriton", "onnxruntime")}
    for name, spec in found.items():
        if spec is None:
            raise ModuleNotFoundError(
                f"The embedded server needs the package {name}: "
                "install the extra serving-cpu, or serving where there is a GPU",
                name=name,
            )
    # With numpy 2 every output of a Python model comes back empty, and the status is OK.
    numpy = importlib.metadata.version("numpy")
    if int(numpy.partition(".")[0]) >= 2:
        raise StartError(
            f"numpy {numpy} is installed, and with it Triton's Python backend returns empty "
            "tensors: pip install 'numpy<2'"
        )
    assert found["pytriton"] is not None
    assert found["pytriton"].origin is not None
    root = Path(found["pytriton"].origin).parent / "tritonserver"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    stub = root / "python_backend_stubs" / version / "triton_python_backend_stub"
    if not stub.exists():
        known = sorted(path.name for path in stub.parents[1].glob("*"))
        raise StartError(f"Triton has no stub for Python {version}; it has {', '.join(known)}")
    return Installation(
        binary=root / "bin" / "tritonserver",
        caches=root / "caches",
        python_backend=root / "backends" / "python",
        stub=stub,
        libpython=_find_libpython(version),
    )


def _find_libpython(version: str) -> Path | None:
    """Finds the shared library of this Python.

    Returns:
        The library, or None where the dynamic loader finds it without help.

    Raises:
        StartError: There is none.
    """
    for directory in (sysconfig.get_config_var("LIBDIR"), f"{sys.base_prefix}/lib"):
        library = Path(directory) / f"libpython{version}.so.1.0"
        if library.exists():
            return library
    if ctypes.util.find_library(f"python{version}"):
        return None
    raise StartError(
        f"Triton's Python backend needs libpython{version}.so.1.0, which this Python does not "
        f"bring: install it (apt install libpython{version}), or take a Python that was built "
        "with --enable-shared"
    )
