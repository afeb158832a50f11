"""What a request can ask for, through the real server.

The network of these tests does what can be foretold: great_wave keeps a picture, starry_night
halves it, the_scream inverts it, udnie blackens it; a strength multiplies.
"""

import io
import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps
from skimage import data
from tritonclient import grpc
from tritonclient.utils import InferenceServerException

from fakes.waiting import until

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def opened(encoded: bytes) -> Image.Image:
    return Image.open(io.BytesIO(encoded))


def pixels(encoded: bytes) -> np.ndarray:
    image = opened(encoded)
    assert image.mode == "RGB"
    return np.asarray(image).astype(int)


def chroma(picture: np.ndarray) -> np.ndarray:
    image = Image.fromarray(picture.astype(np.uint8)).convert("YCbCr")
    return np.asarray(image)[..., 1:].astype(int)


def refusal(stylize, *args: object, **options: object) -> str:
    with pytest.raises(InferenceServerException) as caught:
        stylize(*args, **options)
    assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"
    return caught.value.message()


@pytest.fixture(scope="module")
def soft(photo) -> Image.Image:
    """The photograph with little contrast, so that changes leave no channel black or white."""
    return photo.point(lambda level: 100 + level * 60 // 255)


@pytest.mark.parametrize(
    "strength", [0, 1, 2, 0.0, 0.5, 0.7, 1.25, 2.0, "0", "1", "0.5", "1.25", ".7"]
)
def test_the_strength_is_the_sum_of_the_weights(stylize, encoded, photo, strength):
    image = np.asarray(photo.point(lambda level: level // 2)).astype(int)
    painted = pixels(
        stylize(
            encoded(Image.fromarray(image.astype(np.uint8)), "PNG"),
            "great_wave:3,udnie:1",
            strength=strength,
        )
    )
    assert np.abs(painted - image * 0.75 * float(strength)).max() <= 0.5 + 1e-3


def test_the_strength_reaches_the_network(stylize, encoded, photo):
    picture, image = encoded(photo, "PNG"), np.asarray(photo).astype(int)
    assert (pixels(stylize(picture, "great_wave", strength=0)) == 0).all()
    half = pixels(stylize(picture, "great_wave:3,starry_night:1", strength=0.5))
    assert np.abs(half - image * 0.5 * 0.875).max() <= 0.5 + 1e-3
    assert (pixels(stylize(picture, "starry_night", strength=2)) == image).all()


@pytest.mark.parametrize(
    "strength", [2.1, -0.1, math.nan, math.inf, "2.1", 3, -1, "much", "", "nan", "inf", True, False]
)
def test_strengths_that_are_none(stylize, encoded, photo, strength):
    words = refusal(stylize, encoded(photo, "PNG"), strength=strength)
    assert f"strength {strength!r} is not possible" in words
    assert "use a number from 0, the photograph, to 2" in words


@pytest.mark.parametrize("name", ["strenght", "keepcolors", "longest-side"])
def test_a_misspelt_option_is_refused(stylize, encoded, photo, name):
    words = refusal(stylize, encoded(photo, "PNG"), **{name: "1"})
    assert f"{name!r} is not an option of this model: did you mean" in words


def test_what_triton_itself_reads_is_no_option(server, encoded, photo):
    image, style = (grpc.InferInput(name, [1, 1], "BYTES") for name in ("image", "style"))
    image.set_data_from_numpy(np.array([[encoded(photo, "PNG")]], dtype=np.object_))
    style.set_data_from_numpy(np.array([[b"great_wave"]], dtype=np.object_))
    with grpc.InferenceServerClient(server.grpc_url) as client:
        answer = client.infer(
            "stylize",
            [image, style],
            request_id="a1",
            sequence_id=7,
            sequence_start=True,
            sequence_end=True,
            priority=1,
            timeout=60_000_000,
            headers={"x-request-id": "a1"},
        )
    assert answer.as_numpy("stylized").ndim == 2


def test_requests_that_ask_for_different_things_share_a_batch(server, stylize, encoded, photo):
    picture, image = encoded(photo, "PNG"), np.asarray(photo).astype(int)
    asked = [
        {"strength": 0.5},
        {"format": "webp", "quality": 80},
        {"keep_colors": True},
        {"strength": 2, "style": "starry_night"},
        {"style": "the_scream", "format": "png"},
        {"longest_side": 181, "format": "png"},
    ] * 2

    def executions() -> np.ndarray:
        with grpc.InferenceServerClient(server.grpc_url) as client:
            (statistics,) = client.get_inference_statistics("style_batched").model_stats
            return np.array([statistics.inference_count, statistics.execution_count])

    def send(options: dict[str, object]) -> bytes:
        return stylize(picture, model="stylize_batched", **options)

    before = executions()
    with ThreadPoolExecutor(len(asked)) as senders:
        answers = list(senders.map(send, asked))
    # Triton counts a batch just after its answers have left.
    until(lambda: (executions() - before == [len(asked), 2]).all())
    for options, answer in zip(asked, answers, strict=True):
        found = pixels(answer)
        if options.get("style") == "the_scream":
            assert (found == 255 - image).all()
        elif options == {"strength": 0.5}:
            assert np.abs(found - image * 0.5).max() <= 0.5
        elif "quality" in options:
            assert np.abs(found - image).mean() < 6
        else:
            assert (found == image).all()


@pytest.mark.parametrize("keep", [True, "true", "True", "1", 1])
def test_the_colours_of_the_photograph(stylize, encoded, soft, keep):
    image = np.asarray(soft).astype(int)
    kept = pixels(stylize(encoded(soft, "PNG"), "the_scream", keep_colors=keep))
    assert np.abs(chroma(kept) - chroma(image)).max() <= 2
    # The negative's luminance: what was light is dark.
    grey = np.asarray(soft.convert("L")).astype(int)
    change = np.asarray(Image.fromarray(kept.astype(np.uint8)).convert("L")).astype(int)
    assert np.corrcoef(grey.ravel(), change.ravel())[0, 1] < -0.999
    assert change.mean() == pytest.approx(grey.mean(), abs=1)


@pytest.mark.parametrize("keep", [False, "false", "0", 0])
def test_the_colours_of_the_painting(stylize, encoded, photo, keep):
    picture = encoded(photo, "PNG")
    assert stylize(picture, "the_scream", keep_colors=keep) == stylize(picture, "the_scream")


@pytest.mark.parametrize("keep", [2, -1, "yes", "", "t"])
def test_colours_neither_kept_nor_not(stylize, encoded, photo, keep):
    words = refusal(stylize, encoded(photo, "PNG"), keep_colors=keep)
    assert f"keep_colors {keep!r} is not possible: use true or" in words


def test_nothing_painted_and_colours_kept_is_the_photograph(stylize, encoded, photo):
    kept = stylize(encoded(photo, "PNG"), "great_wave", keep_colors=True)
    assert (pixels(kept) == np.asarray(photo)).all()


@pytest.mark.parametrize("size", [(16, 16), (17, 31), (333, 17), (255, 129)])
@pytest.mark.parametrize("longest_side", [None, 16, 33])
def test_colours_are_kept_at_every_size(stylize, encoded, soft, size, longest_side):
    image = soft.resize(size)
    options = {} if longest_side is None else {"longest_side": longest_side}
    kept = pixels(stylize(encoded(image, "PNG"), "the_scream", keep_colors=True, **options))
    assert kept.shape[1::-1] == size
    assert np.abs(chroma(kept) - chroma(np.asarray(image))).max() <= 2


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "1", "CMYK"])
def test_colours_are_kept_of_every_kind_of_picture(stylize, encoded, soft, mode):
    if mode in ("LA", "RGBA"):
        image = soft.convert(mode)
        image.putalpha(Image.linear_gradient("L").resize(soft.size))
        paper = Image.new("RGBA", soft.size, "white")
        paper.alpha_composite(image.convert("RGBA"))
        seen = np.asarray(paper.convert("RGB"))
    else:
        image = soft.convert(mode)
        seen = np.asarray(image.convert("RGB"))
    picture = encoded(image, "JPEG" if mode == "CMYK" else "PNG", quality=100)
    kept = pixels(stylize(picture, "great_wave", keep_colors=True, format="png"))
    assert np.abs(kept - seen).mean() < 2
    kept = pixels(stylize(picture, "the_scream", keep_colors=True, format="png"))
    assert kept.shape == seen.shape
    if mode in ("L", "LA", "1"):
        assert np.ptp(kept, axis=2).max() <= 2


def test_colours_are_kept_upright(stylize, encoded, soft):
    exif = Image.Exif()
    exif[0x0112] = 6
    result = stylize(
        encoded(soft, "PNG", exif=exif), "great_wave", keep_colors=True, longest_side=90
    )
    turned = np.asarray(soft.transpose(Image.Transpose.ROTATE_270))
    assert np.abs(chroma(pixels(result)) - chroma(turned)).max() <= 2


@pytest.mark.parametrize("longest_side", [16, 100, "100", 180])
@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP"])
def test_the_longest_side(stylize, encoded, photo, longest_side, format_name):
    picture = encoded(photo, format_name, quality=95)
    result = pixels(stylize(picture, "the_scream", longest_side=longest_side))
    assert result.shape == (127, 181, 3)
    side = int(longest_side)
    small = photo.resize((side, max(16, round(side * 127 / 181))), Image.Resampling.LANCZOS)
    again = ImageOps.invert(small).resize((181, 127), Image.Resampling.LANCZOS)
    assert np.abs(result - np.asarray(again)).mean() < 4


@pytest.mark.parametrize("longest_side", [181, 182, 4096, "999999999", 2**40, 2**63 - 1])
def test_nothing_is_scaled_up(stylize, encoded, photo, longest_side):
    picture = encoded(photo, "PNG")
    assert (pixels(stylize(picture, longest_side=longest_side)) == np.asarray(photo)).all()


@pytest.mark.parametrize("longest_side", [15, 0, -64, "15", "64px", "", "6.4e1", True, "9" * 20])
def test_longest_sides_that_are_none(stylize, encoded, photo, longest_side):
    words = refusal(stylize, encoded(photo, "PNG"), longest_side=longest_side)
    assert f"longest_side {longest_side!r} is not possible" in words
    assert "use a whole number of pixels, 16 or more" in words


@pytest.fixture(scope="module")
def large() -> Image.Image:
    """A photograph of 2800 x 2100 pixels, which are more than the network takes."""
    image = Image.fromarray(data.coffee()).resize((2800, 2100), Image.Resampling.BICUBIC)
    return image.point(lambda level: 60 + level // 2)


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP"])
def test_a_large_photograph_simply_works(stylize, encoded, large, format_name):
    picture = encoded(large, format_name, quality=90, compress_level=1, method=0)
    result = opened(stylize(picture, "the_scream"))
    assert (result.format, result.size) == (format_name, (2800, 2100))
    expected = ImageOps.invert(large).reduce(8)
    assert np.abs(np.asarray(result.reduce(8)).astype(int) - expected).mean() < 2


def test_a_large_photograph_keeps_its_colours_at_full_size(stylize, encoded, large):
    picture = encoded(large, "JPEG", quality=95)
    kept = stylize(picture, "the_scream", keep_colors=True, format="png")
    decoded = np.asarray(opened(picture))
    assert np.abs(chroma(pixels(kept)) - chroma(decoded)).max() <= 2


def test_a_photograph_beyond_all_limits_is_refused_before_its_pixels_are_read(stylize, encoded):
    picture = encoded(Image.new("L", (8192, 6401)), "PNG")
    words = "8192 x 6401 pixels, more than the 52428800 that are accepted: scale it down"
    assert words in refusal(stylize, picture, longest_side=64)
    # Whoever read on would find that the rest is missing.
    assert words in refusal(stylize, picture[:100], longest_side=64)


@pytest.mark.parametrize("source", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("target", ["jpeg", "png", "webp"])
def test_the_colour_profile_goes_along(stylize, encoded, photo, source, target):
    picture = encoded(photo, source, icc_profile=PROFILE)
    for options in ({}, {"longest_side": 64}, {"keep_colors": True}):
        result = opened(stylize(picture, format=target, **options))
        assert result.info["icc_profile"] == PROFILE
    assert "icc_profile" not in opened(stylize(encoded(photo, source), format=target)).info


@pytest.mark.parametrize("target", ["jpeg", "png", "webp"])
@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_a_profile_that_does_not_fit_the_answer_stays_behind(stylize, encoded, photo, mode, target):
    space = {"L": b"GRAY", "CMYK": b"CMYK"}[mode]
    for profile in (PROFILE[:16] + space + PROFILE[20:], PROFILE):
        picture = encoded(photo.convert(mode), "JPEG", icc_profile=profile)
        assert "icc_profile" not in opened(stylize(picture, format=target)).info
