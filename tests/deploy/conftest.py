"""The recipes in `deploy/`, read; and the tools that check them, where they are installed."""

import importlib
import os
import re
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

    def read(name: str) -> list[tuple[str, str]]:
        text = re.sub(r"^#.*\n", "", (DEPLOY / name).read_text(), flags=re.MULTILINE)
        lines = re.sub(r"\s*\\\n\s*", " ", text).splitlines()
        return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines if line]

    return read


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
