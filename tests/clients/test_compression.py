"""The `.atl` file."""

import struct
import sys
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from atelier import InvalidRequest
from atelier._compression import (
    MAX_STEP,
    MIN_STEP,
    CompressedImage,
    checked_step,
    pack,
    quantise,
    unpack,
)

HEADER = struct.Struct("<3sBQHHHfII")
VERSIONS = st.integers(1, 2**64 - 1)
SIDES = st.integers(1, 2**32 - 1)


@st.composite
def compressed_images(draw: st.DrawFn) -> CompressedImage:
    shape = draw(arrays.array_shapes(min_dims=3, max_dims=3, max_side=6))
    return CompressedImage(
        version=draw(VERSIONS),
        step=draw(st.floats(MIN_STEP, MAX_STEP, width=32)),
        size=(draw(SIDES), draw(SIDES)),
        quantised=draw(arrays.arrays(np.int8, shape)),
    )


def example(shape: tuple[int, int, int] = (4, 16, 16)) -> CompressedImage:
    mean = np.random.default_rng(1).standard_normal(np.prod(shape)).astype(np.float32)
    return CompressedImage(3, 0.5, (640, 480), quantise(mean, shape, 0.5))


def sealed(content: bytes) -> bytes:
    """`content` with a checksum of the bytes, as a file would have it whose numbers are none."""
    return content + struct.pack("<I", zlib.crc32(content))


@given(compressed_images())
def test_what_is_packed_comes_back_exactly(image):
    data = pack(image)
    back = unpack(data)
    assert (back.version, back.step, back.size) == (image.version, image.step, image.size)
    assert back.quantised.shape == image.quantised.shape
    assert (back.quantised == image.quantised).all()
    assert pack(back) == data


def test_the_bytes_are_those_of_the_first_release():
    # Another version of `constriction` has to read the files of this one.
    quantised = np.array([[[0, -1], [2, 3]], [[-128, 127], [5, 5]]], np.int8)
    data = pack(CompressedImage(7, 0.25, (300, 200), quantised))
    assert data.hex() == (
        "41544c010700000000000000020002000200"  # magic, format, version, shape
        "0000803e2c010000c8000000"  # step, width, height
        "003c533e8040a355"  # means and deviations
        "699937aed4fc0100"  # words
        "df5c497d"  # checksum
    )


def test_the_header_is_what_the_docstring_says():
    data = pack(example())
    header = HEADER.unpack_from(data)
    assert header == (b"ATL", 1, 3, 4, 16, 16, 0.5, 640, 480)
    models = np.frombuffer(data, "<f2", count=8, offset=HEADER.size).reshape(4, 2)
    rows = example().quantised.reshape(4, -1)
    np.testing.assert_allclose(models, np.stack([rows.mean(1), rows.std(1)], 1), 1e-3, 1e-3)


def test_a_file_is_about_as_long_as_the_entropy_says():
    image = example()
    _, counts = np.unique(image.quantised, return_counts=True)
    shares = counts / counts.sum()
    entropy = -(shares * np.log2(shares)).sum() * image.quantised.size / 8
    overhead = HEADER.size + 4 * 4 + 4
    assert entropy < len(pack(image)) - overhead < 1.05 * entropy


def test_quantised_numbers_are_the_nearest_steps_and_clipped():
    mean = np.array([0.0, 0.26, -0.26, 0.74, 1e3, -1e3], np.float32)
    quantised = quantise(mean, (1, 2, 3), 0.5)
    assert quantised.tolist() == [[[0, 1, -1], [1, 127, -128]]]
    image = CompressedImage(1, 0.5, (1, 1), quantised)
    assert image.latent.tolist() == [0.0, 0.5, -0.5, 0.5, 63.5, -64.0]
    assert image.latent.dtype == np.float32


@pytest.mark.parametrize("step", [0, -1, 1e-3, 17, float("nan"), float("inf")])
def test_steps_out_of_range(step):
    with pytest.raises(InvalidRequest, match=r"step .* is not possible: give 0\.015625 to 16"):
        checked_step(step)
    assert checked_step(np.float32(0.1)) == np.float32(0.1)
    with pytest.raises(TypeError, match="step is a str; give a number"):
        checked_step("0.5")


@pytest.mark.parametrize("shape", [(4, 0, 3), (17, 256, 256), (1, 2**16, 1)])
def test_latents_that_no_file_holds(shape):
    with pytest.raises(InvalidRequest, match=r"an \.atl file holds 1 to 1048576"):
        pack(CompressedImage(1, 0.5, (1, 1), np.zeros(shape, np.int8)))


def test_damage_anywhere_is_noticed():
    data = pack(example((2, 3, 3)))
    for length in range(len(data)):
        with pytest.raises(InvalidRequest, match=r"\.atl file"):
            unpack(data[:length])
    for place in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[place // 8] ^= 1 << place % 8
        with pytest.raises(InvalidRequest, match=r"\.atl file"):
            unpack(bytes(flipped))
    for more in (b"\0", b"\0\0\0\0", b"more", data):
        with pytest.raises(InvalidRequest, match=r"the \.atl file is damaged: .*; get it again"):
            unpack(data + more)


@pytest.mark.parametrize("data", [b"", b"AT", b"\xff\xd8\xff\xe0 a JPEG file", b"atl" + bytes(99)])
def test_what_is_no_atl_file(data):
    with pytest.raises(InvalidRequest, match=r"this is no \.atl file; give one that `atelier comp"):
        unpack(data)


def test_a_newer_format_asks_for_a_newer_atelier():
    data = bytearray(pack(example()))
    data[3] = 2
    with pytest.raises(InvalidRequest, match=r"version 2 of the format.* install a newer version"):
        unpack(bytes(data))


@pytest.mark.parametrize(
    "fields",
    [
        (1, 65535, 65535, 65535, 0.5, 1, 1),  # 281 TB
        (1, 1, 1025, 1024, 0.5, 1, 1),
        (1, 0, 16, 16, 0.5, 1, 1),
        (1, 1, 1, 0, 0.5, 1, 1),
        (0, 1, 1, 1, 0.5, 1, 1),
        (1, 1, 1, 1, 0.5, 0, 1),
        (1, 1, 1, 1, 0.5, 1, 0),
        (1, 1, 1, 1, 0.0, 1, 1),
        (1, 1, 1, 1, float("nan"), 1, 1),
        (1, 1, 1, 1, float("inf"), 1, 1),
        (1, 40000, 1, 1, 0.5, 1, 1),
    ],
)
def test_absurd_headers(fields):
    with pytest.raises(InvalidRequest, match="damaged"):
        unpack(sealed(HEADER.pack(b"ATL", 1, *fields) + struct.pack("<ee", 0, 1)))


@pytest.mark.parametrize(
    "model", [(0, 0), (0, -1), (0, "nan"), ("nan", 1), (0, "inf"), (129, 1), (-129, 1), (0, 256)]
)
def test_absurd_distributions(model):
    content = HEADER.pack(b"ATL", 1, 1, 1, 1, 1, 0.5, 1, 1) + struct.pack("<ee", *map(float, model))
    with pytest.raises(InvalidRequest, match="a number in it is out of its range"):
        unpack(sealed(content))


BODIES = st.one_of(
    st.binary(max_size=300),
    st.lists(st.floats(width=16), max_size=40).map(
        lambda each: struct.pack(f"<{len(each)}e", *each)
    ),
)


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_else(data):
    with pytest.raises(InvalidRequest):
        unpack(data)


@given(
    st.tuples(VERSIONS, *3 * [st.integers(0, 2**16 - 1)], st.floats(width=32), SIDES, SIDES),
    BODIES,
)
def test_no_bytes_after_a_header_raise_anything_else(fields, body):
    with pytest.raises(InvalidRequest):
        unpack(sealed(HEADER.pack(b"ATL", 1, *fields) + body))


@given(st.integers(1, 4), st.integers(1, 5), st.floats(-128, 127, width=16), st.binary(max_size=40))
def test_no_words_of_the_coder_raise_anything_else(channels, side, mean, words):
    header = HEADER.pack(b"ATL", 1, 1, channels, side, side, 0.5, 1, 1)
    model = struct.pack("<ee", mean, 2) * channels
    content = header + model + words[: len(words) // 4 * 4]
    with pytest.raises(InvalidRequest, match="damaged"):
        unpack(sealed(content))


def test_the_missing_module_is_named_with_its_remedy(monkeypatch):
    data = pack(example())
    monkeypatch.setitem(sys.modules, "constriction", None)
    for call in (lambda: pack(example()), lambda: unpack(data)):
        with pytest.raises(ModuleNotFoundError, match="the module 'constriction' is missing: "):
            call()
