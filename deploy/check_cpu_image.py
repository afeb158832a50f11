"""Runs the CPU image's recipe without a container engine, as far as that goes.

Follows cpu.Dockerfile, line by line, in a tree of Debian with Python 3.11 in place of the image
that it is based on; then starts the image's command there as its user, without capabilities, on a
root that is read-only, in a network of its own, has its health check pass, paints an image, and
stops it.

    apt-get install debootstrap
    python3 deploy/check_cpu_image.py

Needs root, and two minutes. What it leaves out: layers, and everything that is the engine's own.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCKERFILE = ROOT / "deploy" / "cpu.Dockerfile"
PACKAGES = "ca-certificates,libpython3.11,python3-venv"
PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin"

ISOLATED = ("unshare", "--mount", "--net", "--pid", "--fork")

PAINT = """
from PIL import Image
from atelier import Client
with Client("localhost:8001") as art:
    painted = art.stylize(Image.new("RGB", (64, 48), "teal"), style="great_wave")
assert painted.size == (64, 48), painted.size
"""

CONTAINER = """
set -eu
ip link set lo up
mount --make-rprivate /
mount --bind "$TREE" "$TREE"
mount -t proc proc "$TREE/proc"
mount --rbind /sys "$TREE/sys"
mount -t tmpfs tmpfs "$TREE/tmp"
mount -t tmpfs tmpfs "$TREE/dev"
mkdir "$TREE/dev/shm"
mount -t tmpfs -o size=2g tmpfs "$TREE/dev/shm"
for device in null urandom zero; do
    touch "$TREE/dev/$device"
    mount --bind "/dev/$device" "$TREE/dev/$device"
done
chmod 1777 "$TREE/tmp" "$TREE/dev/shm"
mount -o remount,bind,ro "$TREE"
as_user() {
    exec chroot "$TREE" setpriv --reuid "$USER_ID" --regid "$USER_ID" --clear-groups \\
        --no-new-privs --bounding-set=-all --inh-caps=-all -- "$@"
}
if (as_user touch /models/written) 2>/dev/null; then
    echo "the root is not read-only" >&2
    exit 1
fi
as_user "$@" &
server=$!
until (as_user sh -c "$HEALTHCHECK") >/dev/null 2>&1; do
    kill -0 $server
    sleep 0.5
done
(as_user python -c "$PAINT")
kill -TERM $server
wait $server
"""


def instructions(dockerfile: Path) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile and their arguments, each on one line."""
    text = re.sub(r"^#.*\n", "", dockerfile.read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\s*\\\n\s*", " ", text).splitlines()
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines if line]


def make_base(tree: Path) -> None:
    """What `python:3.11-slim` has: Debian, and `python` and `pip` on the path."""
    subprocess.run(
        ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(tree)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    # How this machine reaches the package index.
    for file in ("etc/resolv.conf", "etc/ssl/certs/ca-certificates.crt"):
        shutil.copy(Path("/", file), tree / file)
    in_tree(tree, "python3 -m venv /usr/local/python", {})
    for program in ("python", "pip"):
        (tree / "usr/local/bin" / program).symlink_to(f"../python/bin/{program}")


def in_tree(tree: Path, command: str, variables: dict[str, str], folder: str = "/") -> None:
    """Runs a line of the shell in the tree."""
    inherited = {
        name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")
    }
    subprocess.run(
        ["chroot", str(tree), "sh", "-ec", f"cd {folder}; {command}"],
        check=True,
        env={"PATH": PATH, "PIP_QUIET": "1", **inherited, **variables},
    )


def copy(tree: Path, sources: list[str], target: Path) -> None:
    """COPY from the build's context: a folder's content, or files into a folder."""
    for source in sources:
        path, to = ROOT / source, tree / str(target).lstrip("/")
        if path.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(path, to, symlinks=True, ignore=ignored, dirs_exist_ok=True)
        else:
            to.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, to / path.name)


def main() -> None:
    """Builds the tree and runs the image's command in it; raises if anything fails."""
    with tempfile.TemporaryDirectory(prefix="atelier-image-") as temporary:
        tree = Path(temporary, "tree")
        make_base(tree)

        # Build
        variables: dict[str, str] = {}
        folder, last = "/", {}
        for instruction, argument in instructions(DOCKERFILE):
            last[instruction] = argument
            if instruction == "FROM":
                variables, folder = {}, "/"
            elif instruction == "ENV":
                for name, value in re.findall(r"(\w+)=(\S+)", argument):
                    variables[name] = value.replace("$PATH", PATH)
            elif instruction == "WORKDIR":
                folder = argument
                (tree / folder.lstrip("/")).mkdir(parents=True, exist_ok=True)
            elif instruction == "RUN":
                in_tree(tree, argument, variables, folder)
            elif instruction == "COPY" and not argument.startswith("--from"):
                *sources, target = argument.split()
                copy(tree, sources, Path(folder, target))

        # Run
        health = json.loads(last["HEALTHCHECK"].partition("CMD ")[2])
        subprocess.run(
            [*ISOLATED, "sh", "-c", CONTAINER, "container", *json.loads(last["ENTRYPOINT"])],
            check=True,
            env={
                "PATH": PATH,
                **variables,
                "TREE": str(tree),
                "USER_ID": last["USER"].partition(":")[0],
                "HEALTHCHECK": shlex.join(health),
                "PAINT": PAINT,
            },
        )
    print("the CPU image's recipe builds and serves")  # noqa: T201 - what it is run for


if __name__ == "__main__":
    if os.geteuid():
        sys.exit("run this as root: it changes the root and the user of what it starts")
    main()
