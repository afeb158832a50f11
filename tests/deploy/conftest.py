"""The recipes in `deploy/`, read; and the tools that check them, where they are installed."""

import importlib
import os
import runpy
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


@pytest.fixture(scope="session")
def dockerfile() -> Callable[[str], list[tuple[str, str]]]:
    """Reads a Dockerfile: its instructions and their arguments, each on a line."""
    instructions = runpy.run_path(str(DEPLOY / "check_cpu_image.py"))["instructions"]
    return lambda name: instructions(DEPLOY / name)


def _missing(name: str) -> NoReturn:
    if os.environ.get("DEPLOY_CHECK"):
        pytest.fail(f"{name} is not installed")
    pytest.skip(f"{name} is not installed: `make deploy-check` installs it and runs this")


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """Finds a program that only `make deploy-check` needs; skips the test where there is none."""

    def find(name: str) -> str:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return shutil.which(name, path=path) or _missing(name)

    return find


@pytest.fixture(scope="session")
def module() -> Callable[[str], Any]:
    """Imports a module that only `make deploy-check` needs, likewise."""

    def find(name: str) -> Any:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError:
            _missing(name)

    return find
