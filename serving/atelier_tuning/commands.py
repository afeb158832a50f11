"""The command `atelier tune`."""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path

import click


def _shape(_context: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> object:
    shapes = {}
    for value in values:
        name, _, dims = value.rpartition(":")
        try:
            shapes[name] = [int(size) for size in dims.split(",")]
        except ValueError:
            raise click.BadParameter(f"{value!r} is no shape: write image:256,256,3") from None
    return shapes


def _delays(_context: click.Context, _option: click.Parameter, value: str) -> object:
    try:
        return [round(1000 * float(delay)) for delay in value.split(",")]
    except ValueError:
        raise click.BadParameter(f"{value!r} is no list of milliseconds: write 0,2,5") from None


@click.command(context_settings={"show_default": True})
@click.argument("model")
@click.option(
    "--model-repository",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default="model_repository",
    help="Where the model lies.",
)
@click.option(
    "--aim",
    type=click.Choice(["throughput", "latency"]),
    default="throughput",
    help="What is best: the most requests a second of several callers, or the least time of a "
    "request that is alone.",
)
@click.option("--callers", type=click.IntRange(2), default=8, help="How many there are at once.")
@click.option("--seconds", type=click.FloatRange(0.1), default=2.0, help="Of each measurement.")
@click.option("--rounds", type=click.IntRange(1), default=5, help="How often all take their turn.")
@click.option(
    "--delays",
    metavar="MS,...",
    callback=_delays,
    default="0,2",
    help="How long a request may wait for others to fill its batch.",
)
@click.option(
    "--shape",
    metavar="INPUT:N,...",
    multiple=True,
    callback=_shape,
    help="Shape of an input without the batch; otherwise that of the first warm-up request.",
)
def tune(
    model: str,
    model_repository: Path,
    aim: str,
    callers: int,
    seconds: float,
    rounds: int,
    delays: list[int],
    shape: dict[str, list[int]],
) -> None:
    """Find the best instances, threads, batches and delay for MODEL on this machine.

    All arrangements are served side by side by one server and measured in turns; what is within 3 %
    of the best counts as equally good. Writes a Markdown table to standard output, and below it the
    lines of `config.pbtxt` that the aim calls for. Nothing in the repository is changed.
    """
    from google.protobuf import text_format
    from tritonclient.grpc.model_config_pb2 import ModelConfig

    from atelier_serving.errors import TritonError
    from atelier_serving.server import TritonServer
    from atelier_tuning.arrangement import candidates
    from atelier_tuning.choice import choose, table
    from atelier_tuning.example import ExampleError, example
    from atelier_tuning.trial import lay_out, measure

    folder = model_repository / model
    config = ModelConfig()
    try:
        text_format.Parse((folder / "config.pbtxt").read_text(), config)
        inputs = example(config, shape)
    except FileNotFoundError:
        raise click.UsageError(f"there is no {folder / 'config.pbtxt'}") from None
    except (ExampleError, text_format.ParseError) as error:
        raise click.UsageError(str(error)) from None
    config.name = model
    onnx = config.platform == "onnxruntime_onnx" or config.backend == "onnxruntime"
    cores = len(os.sched_getaffinity(0))
    arrangements = candidates(cores, config.max_batch_size, delays, threads=onnx)
    with tempfile.TemporaryDirectory(prefix="atelier-tune-") as repository:
        names = lay_out(folder, config, arrangements, Path(repository))
        click.echo(f"{len(arrangements)} arrangements of {model} on {cores} cores", err=True)
        try:
            with TritonServer(repository) as server:
                measured = asyncio.run(
                    measure(
                        server.grpc_url,
                        dict(zip(names, arrangements, strict=True)),
                        inputs,
                        callers=callers,
                        seconds=seconds,
                        rounds=rounds,
                        progress=lambda line: click.echo(line, err=True),
                    )
                )
        except TritonError as error:
            raise click.ClickException(str(error)) from None
    chosen = choose(measured, aim)
    click.echo(table(measured, chosen, callers))
    click.echo(f"\nThe best {aim}:\n\n{chosen.arrangement.text()}", nl=False)
