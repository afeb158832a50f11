"""Kills a bulk run twice and the server once, and compares what is there with what was computed.

    python bench/bulk_kills.py [--photographs FOLDER] [--count 400]

Every output must be whole at every moment, all must be there at the end, and the server's own
counts say how many images were computed more than once: those that were in flight at a kill.
"""

import argparse
import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from atelier import Client
from bulk import REPOSITORY, STYLE, make_photographs


class Server:
    """`atelier serve`, which can be killed and started again on the same port."""

    def __init__(self, port: str = "0") -> None:
        while not self._started(port):  # What was killed still holds the port for a moment.
            time.sleep(1)

    def _started(self, port: str) -> bool:
        command = [sys.executable, "-m", "atelier", "serve", "--model-repository", REPOSITORY]
        ports = ["--grpc-port", port, "--metrics-port", "0"]
        self.process = subprocess.Popen(
            [*command, *ports], stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("ready"):
                self.url = dict(part.split("=", 1) for part in line.split()[1:])["grpc"]
                return True
        self.process.wait()
        return False

    def computed(self) -> int:
        """How many images were painted, for whomever."""
        with Client(self.url) as art:
            return art.statistics()["style"].requests

    def computed_at_rest(self) -> int:
        """The same, once nothing more is under way."""
        before, now = -1, self.computed()
        while now > before:
            time.sleep(0.5)
            before, now = now, self.computed()
        return now

    def kill(self) -> str:
        """Kills the launcher and Triton, which would finish its requests; returns the port."""
        port = self.url.rpartition(":")[2]
        self.process.kill()
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                command = file.read_bytes().split(b"\0")
                if (
                    command[0].endswith(b"tritonserver")
                    and f"--grpc-port={port}".encode() in command
                ):
                    os.kill(int(file.parent.name), signal.SIGKILL)
        self.process.wait()
        return port


def results(out: Path) -> list[Path]:
    """The outputs; each must be whole."""
    found = [
        path
        for path in out.rglob("*")
        if path.is_file() and "_atelier" not in path.parts and not path.name.startswith(".")
    ]
    for path in found:
        with Image.open(path) as image:
            image.load()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photographs", type=Path, help="a folder; default: made ones")
    parser.add_argument("--count", type=int, default=400, help="how many of them")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        out = folder / "out"
        if arguments.photographs is None:
            make_photographs(folder / "photos", arguments.count)
        photos = sorted((arguments.photographs or folder / "photos").rglob("*.jp*g"))
        photos = photos[: arguments.count]
        (folder / "list").write_text("\n".join(map(str, photos)))
        different = len({hashlib.sha256(path.read_bytes()).digest() for path in photos})
        command = [sys.executable, "-m", "atelier", "bulk", "stylize", folder / "list", out]
        command += ["--style", STYLE, "--longest-side", "256"]

        def start() -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                [*command, "--url", server.url], stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )  # fmt: skip

        def written(share: float, of: subprocess.Popen[bytes]) -> None:
            while len(names(out)) < share * different:
                assert of.poll() is None, "the run ended before its kill: give a larger --count"
                time.sleep(0.02)

        server = Server()
        probes = 3  # One request of each start of the run, by which it tries its options.
        for share in (0.2, 0.4):
            run = start()
            written(share, run)
            run.kill()
            run.wait()
            print(f"killed the run at {len(results(out))} outputs, all whole")
        run = start()
        written(0.6, run)
        # So that all that is finished is counted, and hardly any more comes before the kill.
        run.send_signal(signal.SIGSTOP)
        before = server.computed_at_rest()
        run.send_signal(signal.SIGCONT)
        port = server.kill()
        print(f"killed the server at {len(results(out))} outputs, {before} computed")
        server = Server(port)
        assert run.wait() == 0
        after = server.computed()
        complete = len(results(out))
        again = before + after - probes - different
        print(f"{different} different photographs of {len(photos)}; {complete} outputs, all whole")
        print(f"computed {before} + {after}, of which {probes} probes and {again} once more")
        assert complete == len(photos)
        server.process.terminate()
        server.process.wait()


def names(out: Path) -> list[Path]:
    return [path for path in out.rglob("*.jp*g") if not path.name.startswith(".")]


if __name__ == "__main__":
    main()
