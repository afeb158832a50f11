"""EXIF that is carried over from a photograph to its painting."""

import io

import numpy as np
import pillow_heif
import pytest
from PIL import ExifTags, Image

from atelier import InvalidRequest
from atelier._cli.root import run
from atelier._exif import exif_of, with_exif

MAKE, ORIENTATION, TAKEN = ExifTags.Base.Make, ExifTags.Base.Orientation, 0x9003
LATITUDE = {1: "N", 2: (48.0, 12.0, 30.0)}
PIXELS = np.random.default_rng(0).integers(0, 256, (30, 41, 3), dtype=np.uint8)


def photograph_of(encoding: str) -> bytes:
    """A photograph that lies on its side, with a camera, a time and a place."""
    exif = Image.Exif()
    exif[MAKE], exif[ORIENTATION] = "Leica", 6
    exif[ExifTags.IFD.Exif] = {TAKEN: "2020:01:02 03:04:05", 0xA002: 41, 0xA003: 30}
    exif[ExifTags.IFD.GPSInfo] = LATITUDE
    buffer, image = io.BytesIO(), Image.fromarray(PIXELS)
    if encoding == "heic":
        pillow_heif.from_pillow(image).save(buffer, exif=exif.tobytes())
    else:
        image.save(buffer, encoding, exif=exif.tobytes())
    return buffer.getvalue()


def painting_of(encoding: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).transpose(Image.Transpose.ROTATE_90).save(buffer, encoding, **options)
    return buffer.getvalue()


PROFILE = b"a profile " * 20
PAINTINGS = [
    ("jpeg", {}),
    ("jpeg", {"icc_profile": PROFILE}),
    ("png", {}),
    ("png", {"icc_profile": PROFILE}),
    ("webp", {}),
    ("webp", {"lossless": True}),
    ("webp", {"icc_profile": PROFILE}),
]


@pytest.mark.parametrize("source", ["jpeg", "png", "webp", "tiff", "avif", "heic"])
@pytest.mark.parametrize(("encoding", "options"), PAINTINGS)
def test_it_is_kept_and_the_pixels_as_they_are(source, encoding, options):
    painting = painting_of(encoding, **options)
    exif = exif_of(photograph_of(source), "photo")
    with (
        Image.open(io.BytesIO(with_exif(painting, exif))) as kept,
        Image.open(io.BytesIO(painting)) as before,
    ):
        np.testing.assert_array_equal(np.asarray(kept), np.asarray(before))
        assert kept.info.get("icc_profile") == before.info.get("icc_profile")
        found = kept.getexif()
    assert found[MAKE] == "Leica"
    assert found.get(ORIENTATION, 1) == 1
    details = found.get_ifd(ExifTags.IFD.Exif)
    assert details[TAKEN] == "2020:01:02 03:04:05"
    assert (details[0xA002], details[0xA003]) == (30, 41)
    assert found.get_ifd(ExifTags.IFD.GPSInfo) == LATITUDE
    assert set(found) <= {MAKE, ORIENTATION, ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo}


@pytest.mark.parametrize("encoding", ["jpeg", "bmp", "gif"])
def test_a_file_without_it_has_none(encoding):
    assert exif_of(painting_of(encoding), "photo") is None


def test_what_a_jpeg_cannot_hold():
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = "x" * 70_000
    with pytest.raises(InvalidRequest, match="more than a JPEG holds; leave out --keep-exif"):
        with_exif(painting_of("jpeg"), exif)
    with Image.open(io.BytesIO(with_exif(painting_of("png"), exif))) as kept:
        assert len(kept.getexif()[ExifTags.Base.ImageDescription]) == 70_000


@pytest.mark.parametrize("keep", [True, False])
def test_the_option(server, tmp_path, monkeypatch, keep):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photo.jpg").write_bytes(photograph_of("jpeg"))
    arguments = ["photo.jpg", "--style", "udnie", "--url", server.url, "-o", "out.jpg"]
    assert run(["stylize", *arguments, *["--keep-exif"] * keep]) == 0
    with Image.open("out.jpg") as painting:
        assert (painting.getexif().get(MAKE) == "Leica") is keep
