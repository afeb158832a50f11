"""What `bench/compression.py` computes, with a codec in place of the service."""

import importlib.util
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from atelier_export.vae.report import compression_table

FILE = Path(__file__).parents[1] / "bench" / "compression.py"


@pytest.fixture(scope="module")
def bench():
    spec = importlib.util.spec_from_file_location("compression_bench", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Codec:
    """Stands for the client: the larger the step, the lower the quality of a PNG of few levels."""

    def compress(self, image, step):
        levels = round(64 / step)
        buffer = io.BytesIO()
        image.quantize(min(levels, 256)).save(buffer, "PNG")
        return buffer.getvalue()

    def decompress(self, data):
        return Image.open(io.BytesIO(data)).convert("RGB")


def test_the_largest_file_that_fits_is_taken(bench):
    found = [b"1", b"4444", b"22", b"333333"]
    assert bench.nearest_from_below(found, 5) == (b"4444", True)
    assert bench.nearest_from_below(found, 4) == (b"4444", True)
    assert bench.nearest_from_below(found, 1000) == (b"333333", True)
    assert bench.nearest_from_below(found, 0) == (b"1", False)


def test_every_quality_of_both_codecs_is_tried(bench):
    image = Image.radial_gradient("L").resize((32, 32)).convert("RGB")
    for codec, start in (("jpeg", b"\xff\xd8\xff"), ("webp", b"RIFF")):
        found = bench.files(image, codec)
        assert len(found) >= 95
        assert all(file.startswith(start) for file in found)
        assert len(found[-1]) > len(found[0])


def test_the_figures_of_every_step(bench):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (2, 32, 32, 3), np.uint8)
    steps = bench.compression(Codec(), images)
    assert [row["step"] for row in steps] == list(bench.STEPS)
    for row in steps:
        for codec in ("jpeg", "webp"):
            too_large = row[codec]["too_large"]
            assert row[codec]["bytes"] <= row["vae"]["bytes"] or too_large
        assert row["vae"]["too_large"] == 0
    assert steps[0]["vae"]["psnr"] > steps[-1]["vae"]["psnr"]
    assert compression_table({"images": 2, "steps": json.loads(json.dumps(steps))})
