"""The recipes of the images: pinned, without root, without secrets."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DOCKERFILES = ("cpu.Dockerfile", "gpu.Dockerfile")

OLDEST_TRITON = (26, 7)
"""The release that mended CVE-2026-16497: NVIDIA's bulletin 5875 of September 2026, the newest.
Those before it ask for 26.06 (5865), 26.05 (5853) and 26.03 (5828, CVE-2026-24207)."""


def arguments(instructions, name):
    return [argument for instruction, argument in instructions if instruction == name]


@pytest.mark.parametrize("name", DOCKERFILES)
def test_hadolint_finds_nothing(name, program):
    subprocess.run([program("hadolint"), DEPLOY / name], check=True)


@pytest.mark.parametrize("name", DOCKERFILES)
def test_bases_are_pinned_and_the_user_is_not_root(name, dockerfile):
    instructions = dockerfile(name)
    for base in arguments(instructions, "FROM"):
        assert re.match(r"\S+:\d+\.\d+(\.\d+-slim-\w+|-py3)\b", base), base
    user, group = map(int, arguments(instructions, "USER")[-1].split(":"))
    assert user > 0
    assert group > 0
    last_stage = max(i for i, each in enumerate(instructions) if each[0] == "FROM")
    names = [instruction for instruction, _ in instructions[last_stage:]]
    assert "HEALTHCHECK" in names
    assert names.index("USER") > max(i for i, each in enumerate(names) if each in {"RUN", "COPY"})


@pytest.mark.parametrize("name", DOCKERFILES)
def test_no_secret_is_in_an_image(name, dockerfile):
    for instruction, argument in dockerfile(name):
        assert instruction != "ADD"
        if instruction in {"ENV", "ARG", "LABEL"}:
            assert not re.search(r"secret|token|passw|key", argument, re.IGNORECASE), argument


@pytest.mark.parametrize("name", DOCKERFILES)
def test_what_is_copied_is_there_and_not_ignored(name, dockerfile):
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    allowed = [line.removeprefix("!") for line in ignored if line.startswith("!")]
    assert "*" in ignored
    for argument in arguments(dockerfile(name), "COPY"):
        if argument.startswith("--from"):
            continue
        for source in argument.split()[:-1]:
            assert (ROOT / source).exists(), source
            # All of it, or its parts that are allowed.
            assert any(
                f"{source}/".startswith(f"{each}/") or each.startswith(f"{source}/")
                for each in allowed
            ), source


def test_no_older_triton_than_the_mended_one_is_named():
    named = {
        (file.name, release)
        for file in [*DEPLOY.rglob("*"), *(ROOT / "docs").glob("*.md"), ROOT / "README.md"]
        if file.is_file()
        for release in re.findall(r"tritonserver:(\S+)", file.read_text())
    }
    ((file, release),) = named
    assert file == "gpu.Dockerfile"  # in one place
    year, month = re.fullmatch(r"(\d\d)\.(\d\d)-py3", release).groups()
    assert (int(year), int(month)) >= OLDEST_TRITON


def locked(name):
    """Each package's version; every line must have its checksum."""
    versions = {}
    for line in (DEPLOY / "requirements" / name).read_text().splitlines():
        if not line.startswith("#"):
            package, version = re.fullmatch(
                r"([a-z\d.-]+)==(\S+) --hash=sha256:[\da-f]{64}", line
            ).groups()
            versions[package] = version
    return versions


def test_locked_versions_are_those_that_the_project_allows():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    versions = locked("cpu.txt")
    for text in [*project["dependencies"], *extras["serving-cpu"], *extras["cli"]]:
        requirement = Requirement(text)
        if requirement.name != "atelier-art":
            assert versions[requirement.name] in requirement.specifier, text
    # Both images decode and encode with the same library.
    assert locked("gpu.txt") == {"pillow": versions["pillow"]}
    assert "hatchling" in locked("build.txt")


def test_the_command_of_the_gpu_image_is_where_it_is_copied(dockerfile):
    instructions = dockerfile("gpu.Dockerfile")
    (command,) = arguments(instructions, "CMD")
    program = Path(json.loads(command)[1])
    copied = {
        source: argument.split()[-1]
        for argument in arguments(instructions, "COPY")
        for source in argument.split()[:-1]
    }
    assert copied[f"deploy/{program.name}"] == f"{program.parent}/"
    assert copied["serving/atelier_serving/closed.py"] == f"{program.parent}/"
    assert copied["serving/atelier_supervisor"] == f"{program.parent}/atelier_supervisor"
    assert f"--model-repository={copied['model_repository']}" in command
