"""The temporary directory that a server is put together in; site-packages is never written.

backends/python/        the Python backend and the stub for this version of Python
backends/onnxruntime/   our backend for ONNX models, under the name of the official one
environment/            a virtual environment that hands this process's imports to the stubs
libraries/              libpython alone, first on the loader's path
links/                  what lies at a path that a shell or ASCII would change
"""

import importlib.util
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from atelier_serving.installation import Installation
from atelier_serving.plain_paths import is_plain


@dataclass(frozen=True)
class ServerDirectory:
    """The temporary directory of one server.

    Attributes:
        path: The directory itself.
    """

    path: Path

    @property
    def backends(self) -> Path:
        """What Triton takes as its directory of backends."""
        return self.path / "backends"

    @property
    def environment(self) -> Path:
        """The virtual environment of the stubs."""
        return self.path / "environment"

    @property
    def libraries(self) -> Path:
        """What the dynamic loader searches first."""
        return self.path / "libraries"

    def plain(self, path: Path) -> Path:
        """The path itself if it is plain, otherwise a link to it."""
        if is_plain(str(path)):
            return path
        links = self.path / "links"
        links.mkdir(parents=True, exist_ok=True)
        link = links / str(len(list(links.iterdir())))
        link.symlink_to(path)
        return link

    def repository(self, repository: str) -> str:
        """A model repository as Triton is told it: an address as it is, a directory plainly."""
        return repository if "://" in repository else str(self.plain(Path(repository).absolute()))

    def fill(self, installation: Installation) -> None:
        """Puts the parts together, with links where Triton allows them.

        Args:
            installation: Where Triton lies.
        """
        self._add_backends(installation)
        self._add_environment()
        self.libraries.mkdir()
        if installation.libpython:
            (self.libraries / installation.libpython.name).symlink_to(installation.libpython)

    def _add_backends(self, installation: Installation) -> None:
        python = self.backends / "python"
        python.mkdir(parents=True)
        # Triton refuses to serve other backends through a library that is a link out of its
        # directory, so this one file is copied: 1.4 MB.
        shutil.copy(installation.python_backend / "libtriton_python.so", python)
        utilities = installation.python_backend / "triton_python_backend_utils.py"
        for part in (utilities, installation.stub):
            (python / part.name).symlink_to(part)
        onnxruntime = self.backends / "onnxruntime"
        onnxruntime.mkdir()
        (onnxruntime / "model.py").symlink_to(_onnxruntime_backend())

    def _add_environment(self) -> None:
        """Makes a virtual environment whose only content is this process's module path.

        A stub runs an isolated Python: it ignores PYTHONPATH and every other variable, and takes
        the environment of the first `python3` on PATH, which need not be the running one.
        """
        programs = self.environment / "bin"
        packages = Path(sys.platlibdir, f"python{sys.version_info[0]}.{sys.version_info[1]}")
        site_packages = self.environment / packages / "site-packages"
        programs.mkdir(parents=True)
        site_packages.mkdir(parents=True)
        executable = Path(os.path.realpath(sys.executable))
        executable = self.plain(executable.parents[1]) / executable.relative_to(
            executable.parents[1]
        )
        (programs / "python3").symlink_to(executable)
        (self.environment / "pyvenv.cfg").write_text(
            f"home = {executable.parent}\ninclude-system-site-packages = false\n"
        )
        lines = [
            # Model repositories are read, never written.
            "import sys; sys.dont_write_bytecode = True",
            # What a model prints belongs into the log when it is printed.
            "import sys; sys.stdout.reconfigure(line_buffering=True)",
            *(self._search(entry) for entry in sys.path if _is_safe(entry)),
        ]
        (site_packages / "atelier.pth").write_text("\n".join(lines) + "\n")

    def _search(self, entry: str) -> str:
        """A line that has the stubs search an entry of the module path."""
        parts = Path(entry).glob("*.pth")
        if entry.isascii() and all(part.read_bytes().isascii() for part in parts):
            # Not as a path alone: the hooks of an editable install would not be followed.
            return f"import site; site.addsitedir({entry!r})"
        # The paths in its .pth files are entries of this process's module path themselves.
        return f"import sys; sys.path.append({str(self.plain(Path(entry)))!r})"


def _onnxruntime_backend() -> Path:
    """The backend's module, found and not imported: it belongs to the stubs' processes alone."""
    package = importlib.util.find_spec("atelier_onnxruntime")
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).with_name("model.py")


def _is_safe(entry: str) -> bool:
    """Whether a stub may search this entry of the module path.

    A stub finds a backend by the module name `model`, behind whatever else is on its path: a
    model.py in the user's working directory would be taken for it.
    """
    return Path(entry).is_absolute() and not Path(entry, "model.py").exists()
