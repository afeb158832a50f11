"""The file of the oldest versions tells what pyproject.toml allows."""

import itertools
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_oldest_versions_are_the_lower_bounds():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    requirements = itertools.chain(project["dependencies"], *extras)
    bounds = dict(
        found.groups()
        for requirement in requirements
        if (found := re.match(r"([\w-]+)(?:\[\w+\])?>=([\d.]+)", requirement))
    )
    bounds.pop("onnxruntime-gpu")  # the same module as onnxruntime, which is what a test installs
    lines = (ROOT / "tests" / "lowest.txt").read_text().splitlines()
    lowest = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert {name: pad(version) for name, version in lowest.items()} == {
        name: pad(version) for name, version in bounds.items()
    }


def pad(version: str) -> list[int]:
    """1.26 and 1.26.0 are the same version."""
    numbers = [int(number) for number in version.split(".")]
    return numbers + [0] * (3 - len(numbers))
