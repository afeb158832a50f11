"""The `.atl` file: an image as the quantised, entropy-coded mean of its latent.

    bytes    content
    3        "ATL"
    1        version of the format, 1
    8        version of the models that made the latent, 1 or more
    2+2+2    the latent's channels, height and width
    4        step between two quantised numbers, FP32
    4+4      the image's width and height in pixels, before it became a square
    4 each   mean and standard deviation of a channel's quantised numbers, FP16 each
    4 each   words of the entropy coder (asymmetric numeral systems, Duda 2013)
    4        CRC-32 of all the bytes before it, and of the quantised numbers, a byte each

Numbers are little-endian; the latent runs over channels, then rows, then columns.

The decoder needs the very probabilities of the encoder. `constriction` derives them from the means
and deviations in the file, in double precision and with an error function of its own, so they are
the same on every machine. The checksum covers what was decoded, so a difference would be noticed.
"""

import math
import struct
import zlib
from dataclasses import dataclass
from typing import Any, SupportsFloat

import numpy as np
import numpy.typing as npt

from atelier._errors import InvalidRequest
from atelier._extras import advice_for
from atelier._numbers import number_between

MIN_STEP = 1 / 64
"""8 bits reach from -2 to 2 then, in units of the prior's standard deviation."""
MAX_STEP = 16.0
"""Every number is 0 then, unless it is 8 or more."""
DEFAULT_STEP = 0.5
"""Half the standard deviation of the prior."""

_MAGIC = b"ATL"
_FORMAT = 1
_HEADER = struct.Struct("<3sBQHHHfII")
_CHECKSUM = struct.Struct("<I")
_LOWEST, _HIGHEST = -128, 127
_MAX_NUMBERS = 2**20
"""Of a latent, which bounds what a file can have its reader allocate."""
_MAX_SIDE = 2**16 - 1
_MIN_DEVIATION = 1 / 16
"""Where all numbers of a channel are equal; the coder needs one above 0."""


@dataclass(frozen=True)
class CompressedImage:
    """What an `.atl` file holds.

    Attributes:
        version: Version of the models that made the latent, 1 to 2**64 - 1.
        step: Step between two quantised numbers, MIN_STEP to MAX_STEP and exact in FP32.
        size: Width and height of the image in pixels, before it became a square.
        quantised: (channels, height, width), the latent's mean in steps.
    """

    version: int
    step: float
    size: tuple[int, int]
    quantised: npt.NDArray[np.int8]

    @property
    def latent(self) -> npt.NDArray[np.float32]:
        """(L,), what the decoder takes."""
        return self.quantised.ravel() * np.float32(self.step)


def checked_step(step: SupportsFloat) -> float:
    """The step as the file holds it, in FP32.

    Raises:
        InvalidRequest: It is not between MIN_STEP and MAX_STEP.
        TypeError: It is no number.
    """
    return float(np.float32(number_between("step", step, MIN_STEP, MAX_STEP)))


def quantise(
    mean: npt.NDArray[np.float32], shape: tuple[int, int, int], step: float
) -> npt.NDArray[np.int8]:
    """The latent's mean in whole steps, those beyond 8 bits clipped.

    Args:
        mean: (L,), finite.
        shape: Channels, height and width, whose product is L.
        step: As of `checked_step`.

    Returns:
        (channels, height, width).
    """
    steps = np.rint(mean.reshape(shape) / np.float32(step))
    quantised: npt.NDArray[np.int8] = np.clip(steps, _LOWEST, _HIGHEST).astype(np.int8)
    return quantised


def pack(image: CompressedImage) -> bytes:
    """The `.atl` file of an image.

    Raises:
        InvalidRequest: The latent has no numbers, or more than the format allows.
        ModuleNotFoundError: `constriction` is not installed; the message says how to get it.
    """
    shape = image.quantised.shape
    if not 0 < image.quantised.size <= _MAX_NUMBERS or max(shape) > _MAX_SIDE:
        raise InvalidRequest(
            f"the latent has {' × '.join(map(str, shape))} numbers; an .atl file holds 1 to "
            f"{_MAX_NUMBERS}, and {_MAX_SIDE} in each dimension"
        )
    rows = image.quantised.reshape(len(image.quantised), -1)  # (channels, height · width)
    deviations = np.maximum(rows.std(axis=1), _MIN_DEVIATION)
    models = np.stack([rows.mean(axis=1), deviations], axis=1).astype("<f2")  # (channels, 2)
    constriction = _constriction()
    coder = constriction.stream.stack.AnsCoder()
    family, *parameters = _gaussians(constriction, models, rows.shape[1])
    coder.encode_reverse(rows.ravel().astype(np.int32), family, *parameters)
    content = b"".join(
        [
            _HEADER.pack(_MAGIC, _FORMAT, image.version, *shape, image.step, *image.size),
            models.tobytes(),
            coder.get_compressed().astype("<u4").tobytes(),
        ]
    )
    return content + _CHECKSUM.pack(_checksum(content, image.quantised))


def unpack(data: bytes) -> CompressedImage:
    """Reads an `.atl` file.

    Raises:
        InvalidRequest: It is none, is damaged, or has a format that is not known here.
        ModuleNotFoundError: `constriction` is not installed; the message says how to get it.
    """
    if not data.startswith(_MAGIC):
        raise InvalidRequest("this is no .atl file; give one that `atelier compress` wrote")
    if len(data) < _HEADER.size + _CHECKSUM.size:
        raise _damaged("it is cut off")
    content, checksum = data[: -_CHECKSUM.size], data[-_CHECKSUM.size :]
    _, format_version, version, *shape, step, width, height = _HEADER.unpack_from(content)
    if format_version != _FORMAT:
        raise InvalidRequest(
            f"the .atl file has version {format_version} of the format, and only version {_FORMAT} "
            "is known here; install a newer version of atelier"
        )
    if not 0 < math.prod(shape) <= _MAX_NUMBERS:
        raise _damaged(f"it names a latent of {' × '.join(map(str, shape))} numbers")
    if not (version and width and height and MIN_STEP <= step <= MAX_STEP):
        raise _damaged("a number in it is out of its range")
    quantised = _decoded(content[_HEADER.size :], shape)
    if _CHECKSUM.pack(_checksum(content, quantised)) != checksum:
        raise _damaged("its checksum does not match")
    return CompressedImage(version, step, (width, height), quantised)


def _decoded(payload: bytes, shape: list[int]) -> npt.NDArray[np.int8]:
    """The quantised numbers, of this shape, of means, deviations and the coder's words."""
    channels, height, width = shape
    end = 4 * channels
    if len(payload) < end or len(payload) % 4:
        raise _damaged("it is cut off, or something was added")
    models = np.frombuffer(payload[:end], "<f2").reshape(channels, 2)
    means, deviations = models.T
    # NaN is in no range. The coder panics where a deviation is not above 0.
    if not (
        ((means >= _LOWEST) & (means <= _HIGHEST)).all()
        and ((deviations >= _MIN_DEVIATION) & (deviations <= _HIGHEST - _LOWEST)).all()
    ):
        raise _damaged("a number in it is out of its range")
    words = np.frombuffer(payload[end:], "<u4").astype(np.uint32)
    if len(words) and not words[-1]:
        raise _damaged("the entropy coder's last word is 0, which it never writes")
    constriction = _constriction()
    coder = constriction.stream.stack.AnsCoder(words)
    numbers = coder.decode(*_gaussians(constriction, models, height * width))
    return np.asarray(numbers, np.int8).reshape(channels, height, width)


def _gaussians(
    constriction: Any, models: npt.NDArray[np.float16], count: int
) -> tuple[Any, npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The coder's model family, and for `count` numbers of each channel its mean and deviation."""
    family = constriction.stream.model.QuantizedGaussian(_LOWEST, _HIGHEST)
    means, deviations = np.repeat(models.astype(np.float64), count, axis=0).T
    return family, np.ascontiguousarray(means), np.ascontiguousarray(deviations)


def _checksum(content: bytes, quantised: npt.NDArray[np.int8]) -> int:
    return zlib.crc32(quantised.tobytes(), zlib.crc32(content))


def _damaged(reason: str) -> InvalidRequest:
    return InvalidRequest(
        f"the .atl file is damaged: {reason}; get it again, or compress the image again"
    )


def _constriction() -> Any:
    """The module, which only an extra brings."""
    try:
        import constriction
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(advice_for("constriction"), name="constriction") from error
    return constriction
