"""Both clients fill holes with the scripted server's autoencoder."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms
from PIL.ImageDraw import Draw

from atelier import InvalidRequest
from atelier._fill import window
from fakes.autoencoder import LENGTH, SIDE, Autoencoder, encoded, tensors_answer

RED = (1.0, 0.0, 0.0)


@pytest.fixture
def scripted(server):
    """The scripted server with an autoencoder."""
    server.autoencoder = Autoencoder()
    return server


@pytest.fixture
def paints_red(scripted):
    """Whatever the encoder sees, the decoder paints red."""
    mean = np.tile(np.float32(RED), LENGTH // 3)[None]
    scripted.script = [
        tensors_answer("vae_encoder", {"mean": ("FP32", mean), "log_variance": ("FP32", mean)})
    ]
    return scripted


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (150, 200, 3), dtype=np.uint8)


def holes(size: tuple[int, int], *boxes: tuple[int, int, int, int]) -> Image.Image:
    """Holes with all their edges inside the image: left, top, right, bottom of each."""
    mask = Image.new("L", size)
    for left, top, right, bottom in boxes:
        Draw(mask).rectangle((left, top, right - 1, bottom - 1), fill=255)
    return mask


def seen(server) -> np.ndarray:
    """The square that the encoder saw."""
    request = next(r for r in server.requests if r.model_name == "vae_encoder")
    return np.frombuffer(request.raw_input_contents[0], np.uint8).reshape(SIDE, SIDE, 3)


@pytest.mark.parametrize(
    "box", [(90, 60, 110, 75), (0, 0, 3, 3), (190, 140, 200, 150), (10, 0, 12, 150), (0, 0, 200, 1)]
)
def test_nothing_outside_the_holes_changes(paints_red, ask, pixels, box):
    mask = holes((200, 150), box)
    filled = ask(paints_red.url, "fill", pixels, mask)
    assert (filled.mode, filled.size) == ("RGB", (200, 150))
    inside = np.asarray(mask) > 0
    result = np.asarray(filled)
    np.testing.assert_array_equal(result[~inside], pixels[~inside])
    assert (result[inside] == (255, 0, 0)).all()


def test_several_holes(paints_red, ask, pixels):
    mask = holes((200, 150), (5, 5, 9, 9), (60, 100, 70, 104))
    filled = np.asarray(ask(paints_red.url, "fill", pixels, mask))
    inside = np.asarray(mask) > 0
    np.testing.assert_array_equal((filled == (255, 0, 0)).all(axis=2), inside)
    np.testing.assert_array_equal(filled[~inside], pixels[~inside])


def test_the_network_sees_smooth_holes_and_nothing_of_what_they_hide(scripted, ask, pixels):
    image = np.full((200, 200, 3), 100, np.uint8)
    image[:, 106:] = 200
    mask = holes((200, 200), (90, 90, 122, 122))
    hidden = image.copy()
    hidden[90:122, 90:122] = pixels[:32, :32]
    filled = np.asarray(ask(scripted.url, "fill", hidden, mask))
    square = seen(scripted)
    # 32 pixels of a window of 96, in a square of 32: from the left's colour to the right's.
    assert (square[:, :10] == 100).all()
    assert (square[:, 23:] == 200).all()
    assert ((square >= 100) & (square <= 200)).all()
    assert (np.diff(square[16, 9:23, 0].astype(int)) >= 0).all()
    assert len(np.unique(square[16, 9:23, 0])) > 6
    # The colours of the quarters are what the decoder paints.
    expected = encoded(square[None])[0].reshape(4, 3)[0] * 255
    assert np.abs(filled[95, 95] - expected).max() <= 1


@pytest.mark.parametrize(
    ("size", "hole", "expected"),
    [
        # The hole's size around it on each side.
        ((1000, 800), (400, 300, 500, 360), (300, 180, 600, 480)),
        # At least the network's own size.
        ((1000, 800), (400, 300, 404, 304), (386, 286, 418, 318)),
        # Moved into the image.
        ((1000, 800), (0, 790, 100, 800), (0, 500, 300, 800)),
        ((1000, 800), (990, 0, 1000, 4), (968, 0, 1000, 32)),
        # As much as there is.
        ((1000, 60), (400, 10, 500, 20), (300, 0, 600, 60)),
        ((20, 24), (3, 4, 5, 6), (0, 0, 20, 24)),
        ((300, 300), (0, 0, 299, 299), (0, 0, 300, 300)),
    ],
)
def test_the_window_around_the_holes(size, hole, expected):
    assert window(holes(size, hole), 32) == expected


def test_every_kind_of_mask(scripted, ask, pixels, tmp_path):
    mask = holes((200, 150), (90, 60, 110, 75))
    inside = np.asarray(mask) > 0
    path = tmp_path / "mask.png"
    mask.save(path)
    jpeg = io.BytesIO()
    mask.save(jpeg, "JPEG", quality=90)
    white_128 = np.where(inside, 128, 127).astype(np.uint8)
    erased = np.dstack([pixels // 2, np.where(inside, 0, 255).astype(np.uint8)])
    masks = [inside, mask, mask.convert("1"), path, path.read_bytes(), white_128, erased]
    results = {ask(scripted.url, "fill", pixels, each).tobytes() for each in masks}
    assert len(results) == 1
    lossy = np.asarray(ask(scripted.url, "fill", pixels, jpeg.getvalue()))
    assert (lossy != pixels).any(axis=2).sum() == pytest.approx(inside.sum(), rel=0.2)


@pytest.mark.parametrize(
    ("mask", "reason"),
    [
        (np.zeros((150, 200), bool), "mask: nothing in it is white; paint white what"),
        (np.full((150, 200), 127, np.uint8), "mask: nothing in it is white"),
        (np.ones((150, 200), bool), "mask: all of it is white; paint black what"),
        (np.ones((200, 150), bool), "mask: 150×200 pixels, but the image has 200×150; give both"),
        (np.ones((150, 200, 7), bool), r"mask: the array has shape \(150, 200, 7\)"),
        (np.ones((150, 200)), "mask: the array is float64"),
        (b"no image", "mask: not an image in a known format"),
        (b"", "mask: there are no bytes in it"),
    ],
)
def test_masks_that_are_refused(scripted, ask, pixels, mask, reason):
    with pytest.raises(InvalidRequest, match=reason):
        ask(scripted.url, "fill", pixels, mask)
    assert not scripted.requests
    assert not scripted.configs


def test_what_is_no_mask(scripted, ask, pixels):
    with pytest.raises(TypeError, match="mask is a int; give a path"):
        ask(scripted.url, "fill", pixels, 3)


def test_an_image_and_its_mask_are_both_upright(paints_red, ask, pixels):
    image = Image.fromarray(pixels)
    image.getexif()[0x0112] = 6
    turned = io.BytesIO()
    image.save(turned, "PNG", exif=image.getexif())
    mask = holes((150, 200), (10, 20, 30, 40))
    filled = ask(paints_red.url, "fill", turned.getvalue(), mask)
    expected = np.rot90(pixels, -1).copy()
    expected[np.asarray(mask) > 0] = (255, 0, 0)
    np.testing.assert_array_equal(np.asarray(filled), expected)


def test_a_caller_keeps_his_image_and_its_profile(scripted, ask, pixels):
    image = Image.fromarray(pixels)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image.info["icc_profile"] = profile
    filled = ask(scripted.url, "fill", image, holes((200, 150), (10, 20, 30, 40)))
    np.testing.assert_array_equal(np.asarray(image), pixels)
    assert filled.info == {"icc_profile": profile}
    for_grey = image.convert("L")
    for_grey.info["icc_profile"] = profile[:16] + b"GRAY" + profile[20:]
    assert ask(scripted.url, "fill", for_grey, np.eye(150, 200, dtype=bool)).info == {}
