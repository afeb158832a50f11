"""Files that Pillow alone does not read."""

import io
import sys

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from atelier import InvalidRequest
from atelier._cli.root import run
from atelier._images import encoded_image, rgb_image

RED, BLUE = (200, 30, 30), (30, 30, 200)
EXIF_ORIENTATION = 0x0112


@pytest.fixture(autouse=True)
def plain_pillow(monkeypatch):
    """Pillow as it comes: scikit-image's reader registers HEIC where `pillow-heif` is installed."""
    Image.init()
    monkeypatch.setattr(Image, "ID", [each for each in Image.ID if each != "HEIF"])
    extensions = {suffix: kind for suffix, kind in Image.EXTENSION.items() if kind != "HEIF"}
    monkeypatch.setattr(Image, "EXTENSION", extensions)


@pytest.fixture
def heic() -> bytes:
    """A red image with a blue stripe on its right, stored as a camera on its side does."""
    upright = Image.new("RGB", (64, 48), RED)
    upright.paste(BLUE, (48, 0, 64, 48))
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6
    lying = upright.transpose(Image.Transpose.ROTATE_90)
    pillow_heif.from_pillow(lying).save(buffer, exif=exif.tobytes(), quality=95)
    return buffer.getvalue()


def test_a_heic_is_read_upright(heic):
    for image in (rgb_image(heic), Image.open(io.BytesIO(encoded_image(heic).data))):
        assert image.size == (64, 48)
        np.testing.assert_allclose(image.getpixel((10, 24)), RED, atol=12)
        np.testing.assert_allclose(image.getpixel((60, 24)), BLUE, atol=12)
    assert encoded_image(heic).reply == "png"


def test_pillow_itself_stays_as_it_was(heic):
    rgb_image(heic)
    assert "HEIF" not in Image.registered_extensions().values()


def test_without_its_package_a_heic_is_named(heic, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    for read in (encoded_image, rgb_image):
        with pytest.raises(InvalidRequest) as caught:
            read(heic)
        assert str(caught.value) == (
            'image: a HEIC, which is read with one more package: pip install "atelier-art[heif]"; '
            "or convert it to JPEG"
        )


@pytest.mark.parametrize("length", [40, 300, -100])
def test_a_damaged_heic(heic, length):
    with pytest.raises(InvalidRequest, match="image: the HEIC cannot be read: "):
        encoded_image(heic[:length])


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\0\0\0\x20ftypisom" + bytes(20), "a video"),
        (b"\xff\x0a" + bytes(20), "a JPEG XL"),
        (b"%PDF-1.7", "a PDF document"),
        (b"PK\x03\x04", "a ZIP archive"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG drawing"),
        (b"<!DOCTYPE html><html>", "an HTML page"),
        (b"data:image/png;base64,iVBORw0KGgo", "base64 text"),
        (b"hello", "not an image in a known format"),
    ],
)
def test_what_is_no_image_is_called_by_its_name(data, kind):
    with pytest.raises(InvalidRequest, match=f"image: {kind}.*; give a JPEG, PNG or WebP"):
        encoded_image(data)


def test_an_avif_is_read():
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), RED).save(buffer, "AVIF")
    image = Image.open(io.BytesIO(encoded_image(buffer.getvalue()).data))
    np.testing.assert_allclose(image.getpixel((10, 24)), RED, atol=12)


def test_the_error_names_the_file(tmp_path):
    path = tmp_path / "text.jpg"
    path.write_bytes(b"hello")
    with path.open("rb") as file:
        for source in (path, str(path), file):
            for read in (encoded_image, rgb_image):
                with pytest.raises(InvalidRequest) as caught:
                    read(source)
                assert str(caught.value).startswith((f"{path}: not an image", f"{path}: there are"))


def test_the_command_line_names_the_file_and_the_format(
    server, tmp_path, monkeypatch, capsys, heic
):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "IMG_1.HEIC").write_bytes(heic)
    assert run(["stylize", "IMG_1.HEIC", "--style", "udnie", "--url", server.url]) == 1
    assert capsys.readouterr().err.startswith("Error: IMG_1.HEIC: a HEIC, which is read with")
