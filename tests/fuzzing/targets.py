"""What is fuzzed in the process: each target takes bytes, and says whether it could use them.

Any exception but the refusal that is meant for a caller is a find; so is a result that is wrong.
The code of the models is imported as Triton does it, from the folders of their versions.
"""

import json
from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
from client_text import number
from common_options import OptionsError, check_names, read_of_every_request
from image_container import ImageError
from image_decoder import Limits, decode
from latents_options import OF_SEEDS
from latents_options import read_options as read_latents_options
from latents_settings import Settings
from request_options import read_options
from strength import StrengthError
from style_mix import StyleError, parse_mix

from atelier_onnxruntime.batch import Job, run_jobs
from atelier_onnxruntime.input_size import refusal

STYLES = ("great_wave", "starry_night", "the_scream", "udnie")
LIMITS = Limits(
    max_encoded_bytes=1 << 20, max_decoded_pixels=1 << 16, max_pixels=1 << 12, min_side=16
)
LONGEST_MESSAGE = 1000
"""Characters that an error has at most: it is to be read."""
SETTINGS = Settings(
    movements=("cubism", "ukiyo_e"),
    latent_length=128,
    max_count=64,
    truncation=0.7,
    largest_truncation=2.0,
)


def image(data: bytes) -> bool:
    """`decode` gives pixels within the limits, or refuses the file."""
    try:
        photograph = decode(data, LIMITS, longest_side=40, keep_original=True)
    except ImageError as error:
        _check_readable(error)
        return False
    height, width, channels = photograph.original.shape
    assert channels == 3
    assert (height, width) == (photograph.height, photograph.width)
    assert min(height, width) >= 16
    assert height * width <= LIMITS.max_decoded_pixels
    assert photograph.pixels.dtype == np.uint8
    assert 0 < max(photograph.pixels.shape[:2]) <= 40
    return True


def style(data: bytes) -> bool:
    """`parse_mix` gives weights that sum to 1, or refuses the text."""
    try:
        weights = parse_mix(data, STYLES)
    except StyleError as error:
        _check_readable(error)
        return False
    assert weights.shape == (len(STYLES),)
    assert (weights >= 0).all()
    assert abs(float(weights.sum()) - 1) < 1e-5
    return True


def options(data: bytes) -> bool:
    """The readers of options take the parameters of a request, or refuse them."""
    try:
        parameters = json.loads(data)
    except (ValueError, RecursionError):
        return False  # Triton makes the text: it is always right
    if not isinstance(parameters, dict):
        return False
    taken = 0
    try:
        found = read_options(parameters, 16)
        assert 0 <= found.strength <= 2
        assert found.longest_side is None or 16 <= found.longest_side < 10**19
        assert 0 <= found.quality <= 100
        taken += 1
    except (OptionsError, StrengthError) as error:
        _check_readable(error)
    try:
        check_names(parameters, OF_SEEDS)
        painted = read_latents_options(parameters, SETTINGS)
        assert 1 <= painted.count <= SETTINGS.max_count
        assert 0 < painted.truncation == number(str(painted.truncation))
        taken += 1
    except OptionsError as error:
        _check_readable(error)
    try:
        version = read_of_every_request(parameters)
        assert version is None or version >= 1
        taken += 1
    except OptionsError as error:
        _check_readable(error)
    return taken > 0


def _check_readable(error: Exception) -> None:
    assert len(str(error)) < LONGEST_MESSAGE


DTYPES = (np.uint8, np.float32, np.int64, np.bool_, np.float64, np.object_)
_GRAPH = """
<ir_version: 10, opset_import: ["" : 20]>
network (uint8[batch, height, width, 3] image, float[batch, weights] style)
    => (float[batch, weights] sums)
{
    axes = Constant <value = int64[3] {1, 2, 3}> ()
    pixels = Cast <to = 1> (image)
    totals = ReduceSum <keepdims = 0> (pixels, axes)
    one = Constant <value = int64[1] {1}> ()
    column = Unsqueeze (totals, one)
    sums = Mul (style, column)
}
"""
_QUIET = onnxruntime.SessionOptions()
_QUIET.log_severity_level = 4
_SESSION = onnxruntime.InferenceSession(
    onnx.parser.parse_model(_GRAPH).SerializeToString(), _QUIET, ["CPUExecutionProvider"]
)
_SESSION.disable_fallback()
_GOOD = Job(
    {"image": np.ones((1, 2, 2, 3), np.uint8), "style": np.ones((1, 2), np.float32)}, ["sums"]
)


def backend(data: bytes) -> bool:
    """The backend answers a good request beside any other, whatever becomes of that one."""
    rest = memoryview(data)
    strange = {}
    for name in ("image", "style"):
        array, rest = _array(rest)
        strange[name] = array
    wanted = [["sums"], ["sums", "sums"], ["nothing"], []][data[0] % 4 if data else 0]
    if refusal(strange, 1 << 16):
        return False
    jobs = [_GOOD, Job(strange, wanted), _GOOD]
    first, answer, last = run_jobs(
        lambda names, feed: _SESSION.run(names, feed), jobs, batches=True
    )
    for each in (first, last):
        assert not isinstance(each, Exception)
        assert (each["sums"] == 12).all()
    return not isinstance(answer, Exception)


def _array(data: memoryview) -> "tuple[np.ndarray, memoryview]":
    """An array of any kind from the first bytes, and what they leave."""
    header = bytes(data[:6]).ljust(6, b"\1")
    dtype = DTYPES[header[0] % 16 % len(DTYPES)] if header[0] & 16 else DTYPES[0]
    shape = [size % 9 for size in header[2 : 2 + header[1] % 5]]
    count = int(np.prod(shape, dtype=np.int64))
    size = count * np.dtype(dtype).itemsize
    if dtype is np.object_:
        return np.full(shape, bytes(data[6:10]), np.object_), data[10:]
    content = bytes(data[6 : 6 + size]).ljust(size, b"\0")
    return np.frombuffer(content, dtype, count).reshape(shape), data[6 + size :]


TARGETS: dict[str, Callable[[bytes], bool]] = {
    each.__name__: each for each in (image, style, options, backend)
}
