"""Runs many inputs: `python -m fuzzing --inputs 100000`; guided by coverage with `--atheris`."""

import argparse
import sys
import time
import traceback
import warnings
from pathlib import Path

ROOT = Path(__file__).parents[2]
for model in ("stylize", "latents"):
    sys.path.append(str(ROOT / "model_repository" / model / "1"))

FOUND = Path("fuzz-found")
"""What broke something is written here; mended, it belongs into the corpus."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m fuzzing", description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000, help="for each target")
    parser.add_argument("--messages", type=int, default=20_000, help="to a real server")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--target", help="only this one")
    parser.add_argument(
        "--atheris", type=int, metavar="SECONDS", help="guide TARGET by coverage (pip: atheris)"
    )
    return parser.parse_args()


def main() -> int:
    arguments = _arguments()
    warnings.simplefilter("ignore")
    if arguments.atheris:
        return _guided(arguments.target, arguments.atheris)
    from fuzzing.mutations import corpus, inputs
    from fuzzing.targets import TARGETS

    broken = 0
    for name, target in TARGETS.items():
        if arguments.target not in (None, name):
            continue
        start, used, tried = time.monotonic(), 0, 0
        for data in inputs(corpus(name), arguments.inputs, arguments.seed):
            tried += 1
            try:
                used += target(data)
            except Exception:
                broken += 1
                FOUND.mkdir(exist_ok=True)
                path = FOUND / f"{name}-{tried}"
                path.write_bytes(data)
                traceback.print_exc()
                print(f"{path} breaks {name}")
        seconds = time.monotonic() - start
        print(f"{name}: {tried} inputs, {used} of them of use, {seconds:.0f} s", flush=True)
    if arguments.target in (None, "server") and arguments.messages:
        _server(arguments.messages, arguments.seed)
    return int(broken > 0)


def _server(count: int, seed: int) -> None:
    from atelier_serving import TritonServer
    from fuzzing.messages import fuzz_server
    from fuzzing.mutations import CORPUS, corpus

    start = time.monotonic()
    images = [(CORPUS / "image" / "jpeg").read_bytes(), *filter(None, corpus("image"))]
    with TritonServer(ROOT / "model_repository") as server:
        pid = server.pid
        models = ("stylize", "classify", "style", "latents", "vae_encoder", "generate")
        counts = fuzz_server(server.grpc_url, models, images, count, seed)
        assert server.pid == pid, "Triton was started again"
    seconds = time.monotonic() - start
    print(f"server: {count} requests, answered with {dict(counts)}, {seconds:.0f} s")


def _guided(name: str, seconds: int) -> int:
    import atheris

    with atheris.instrument_imports(include=["image_", "style_mix", "client_text", "request_",
                                             "latents_options", "common_options", "strength",
                                             "colour_profile", "exif_orientation"]):  # fmt: skip
        from fuzzing.targets import TARGETS
    from fuzzing.mutations import CORPUS

    FOUND.mkdir(exist_ok=True)
    options = [f"-max_total_time={seconds}", "-max_len=65536", f"-artifact_prefix={FOUND}/{name}-"]
    atheris.Setup([sys.argv[0], *options, str(FOUND), str(CORPUS / name)], TARGETS[name])
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
