"""A style network without any weights to learn, whose every image can be foretold.

    stylized = round(image · Σ wₛ·keptₛ + (255 − image) · Σ wₛ·invertedₛ)

So a style (1, 0) leaves an image as it is, (0.5, 0) darkens it by half, (0, 1) inverts it, and
(0, 0) blackens it. What is outside 0..255 is cut off nowhere: no test may go there. As in the
served network, weights that are missing are 0, and superfluous ones are left out.
"""

import string
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import onnx

from fakes.python_models import copy_code

ROOT = Path(__file__).parents[2]

IN_TWO_STYLES = {"as_it_is": (1, 0), "negative": (0, 1)}
"""How much two styles keep and invert."""

_GRAPH = """
<ir_version: 10, opset_import: ["" : 20]>
style (uint8[batch, height, width, 3] image, float[batch, weights] style)
    => (uint8[batch, height, width, 3] {output})
<float[{styles}, 2] amounts = {{ {amounts} }}>
{{
    white = Constant <value = float {{255.0}}> ()
    axes = Constant <value = int64[2] {{2, 3}}> ()
    more = Constant <value = int64[4] {{0, 0, 0, {styles}}}> ()
    padded = Pad (style, more)
    none = Constant <value = int64[1] {{0}}> ()
    all = Constant <value = int64[1] {{{styles}}}> ()
    axis = Constant <value = int64[1] {{1}}> ()
    known = Slice (padded, none, all, axis)
    sums = MatMul (known, amounts)
    broad = Unsqueeze (sums, axes)
    keep, invert = Split <axis = 1, num_outputs = 2> (broad)
    pixels = Cast <to = 1> (image)
    inverse = Sub (white, pixels)
    kept = Mul (pixels, keep)
    inverted = Mul (inverse, invert)
    sum = Add (kept, inverted)
    rounded = Round (sum)
    {output} = Cast <to = 2> (rounded)
}}
"""

_CONFIG = """
name: "{name}"
platform: "onnxruntime_onnx"
max_batch_size: {max_batch}
input [
  {{ name: "image" data_type: TYPE_UINT8 dims: [ -1, -1, 3 ] }},
  {{ name: "style" data_type: TYPE_FP32 dims: [ -1 ] }}
]
output [ {{ name: "{output}" data_type: TYPE_UINT8 dims: [ -1, -1, 3 ] }} ]
{batching}
instance_group [ {{ kind: KIND_CPU count: 1 }} ]
parameters {{ key: "styles" value {{ string_value: "{names}" }} }}
"""


def style_graph(amounts: Collection[tuple[float, float]], output: str = "stylized") -> bytes:
    """The ONNX model, with the names and sizes of a served one.

    Args:
        amounts: How much each style keeps of the image, and of its inverse.
        output: Name of the output.
    """
    values = ", ".join(f"{value:.9g}" for style in amounts for value in map(float, style))
    text = _GRAPH.format(styles=len(amounts), amounts=values, output=output)
    model = onnx.parser.parse_model(text)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


def write_style(
    repository: Path,
    styles: Mapping[str, tuple[float, float]],
    *,
    name: str = "style",
    output: str = "stylized",
    batching: str = "dynamic_batching { }",
    max_batch: int = 8,
    version: int = 1,
) -> None:
    """Writes the model into a repository, as Triton serves it, in place of one of this name.

    Args:
        repository: A folder.
        styles: The amounts by the names of the styles.
        name: Name of the model.
        output: Name of its output; any but the usual one fits no ensemble.
        batching: How its configuration batches.
        max_batch: Its largest batch.
        version: The version that is written.
    """
    folder = repository / name / str(version)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(style_graph(styles.values(), output))
    config = _CONFIG.format(
        name=name,
        output=output,
        batching=batching,
        max_batch=max_batch,
        names=",".join(styles),
    )
    (folder.parent / "config.pbtxt").write_text(config)


def write_stylize(
    repository: Path,
    styles: Iterable[str],
    *,
    name: str = "stylize",
    network: str = "style",
    workers: int = 3,
) -> None:
    """Copies `stylize` into a repository, with other names, as the export writes them.

    Args:
        repository: A folder.
        styles: The names of the styles.
        name: Name of the model.
        network: Name of the model that paints.
        workers: How many requests it works at.
    """
    template = ROOT / "export" / "atelier_export" / "style" / "stylize.pbtxt"
    folder = copy_code(repository, "stylize", name)
    config = string.Template(template.read_text()).substitute(names=",".join(styles))
    for old, new in (
        ('name: "stylize"', f'name: "{name}"'),
        ('string_value: "style"', f'string_value: "{network}"'),
        ('"3"', f'"{workers}"'),
    ):
        assert config.count(old) == 1
        config = config.replace(old, new)
    (folder / "config.pbtxt").write_text(config)
