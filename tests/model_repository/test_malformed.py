"""More than a thousand broken images beside one good one, through the real server."""

import io
import itertools
import random
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image, ImageCms, ImageOps
from tritonclient import grpc
from tritonclient.utils import InferenceServerException

from fuzzing.messages import fuzz_server
from fuzzing.mutations import corpus as corpus_of

PNG_HEADER = struct.Struct(">IIBBBBB")
Encode = Callable[..., bytes]
Case = tuple[str, bytes]

ROUND = 50
"""How many broken images are sent for each good one."""
MESSAGES = 1500
REFUSAL = "StatusCode.INVALID_ARGUMENT: the "
OPTIONS = ({}, {"keep_colors": True}, {"longest_side": 64}, {"format": "png"})
FOREIGN = ("GIF", "BMP", "TIFF", "AVIF", "PPM", "ICO", "TGA", "PDF", "JPEG2000", "EPS", "PCX")
MAGICS = (
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"RIFF\xff\xff\0\0WEBPVP8 ",
    b"RIFF0000WEBPVP8X",
)


def truncated(kind: str, whole: bytes, count: int) -> Iterator[Case]:
    step = max(1, len(whole) // count)
    yield from ((f"{kind} truncated", whole[:end]) for end in range(0, len(whole), step))


def flipped(kind: str, whole: bytes, count: int, rng: random.Random) -> Iterator[Case]:
    for number in range(count):
        broken = bytearray(whole)
        # Half of them in the header, where a bit means the most.
        reach = len(broken) if number % 2 else min(200, len(broken))
        for _ in range(rng.choice([1, 1, 4, 32])):
            broken[rng.randrange(reach)] ^= 1 << rng.randrange(8)
        yield f"{kind} with flipped bits", bytes(broken)


def spliced(kind: str, whole: bytes, count: int, rng: random.Random) -> Iterator[Case]:
    for _ in range(count):
        a, b = sorted(rng.randrange(len(whole)) for _ in range(2))
        yield f"{kind} with a hole", whole[:a] + whole[b:]
        yield f"{kind} with zeros", whole[:a] + bytes(b - a) + whole[b:]
        yield f"{kind} with noise", whole[:a] + rng.randbytes(b - a) + whole[b:]
        yield f"{kind} with a part twice", whole[:b] + whole[a:]


def bombs(photo: Image.Image, encode: Encode, png_with: Encode) -> Iterator[Case]:
    for side in (0, 1, 15, 5_000, 65_535, 2**31 - 1, 2**32 - 1):
        header = PNG_HEADER.pack(side, side, 8, 2, 0, 0, 0)
        pixels = (b"IDAT", zlib.compress(bytes(1 << 16)))
        yield "PNG of a wrong size", png_with((b"IHDR", header), pixels, (b"IEND", b""))
    jpeg = encode(photo, "JPEG")
    frame = jpeg.index(b"\xff\xc0") + 5
    for size in ((65_535, 65_535), (0, 127), (127, 0), (15, 15), (30_000, 16)):
        yield "JPEG of a wrong size", jpeg[:frame] + struct.pack(">HH", *size) + jpeg[frame + 4 :]
    for flags in (0, 2, 0x10, 0xFF):
        canvas = struct.pack("<4sIB3x", b"VP8X", 10, flags) + b"\xff" * 6
        yield "WebP of a wrong size", b"RIFF" + struct.pack("<I", 22) + b"WEBP" + canvas
    header = (b"IHDR", PNG_HEADER.pack(64, 64, 8, 0, 0, 0, 0))
    pixels = (b"IDAT", zlib.compress(bytes(65 * 64)))
    bomb = zlib.compress(bytes(32 << 20))
    for kind in (b"zTXt", b"iCCP"):
        yield "PNG bomb", png_with(header, (kind, b"a\0\0" + bomb), pixels, (b"IEND", b""))
        yield "PNG bomb", png_with(header, pixels, (b"zTXt", b"a\0\0" + bomb), (b"IEND", b""))
    yield "PNG without pixels", png_with(header, (b"IEND", b""))
    yield "PNG of two headers", png_with(header, header, header, (b"IEND", b""))
    yield "PNG of many chunks", png_with(header) + png_with((b"teST", b""))[8:] * 70_000
    palette = png_with(
        (b"IHDR", PNG_HEADER.pack(64, 64, 8, 3, 0, 0, 0)),
        (b"PLTE", bytes(3)),
        (b"tRNS", bytes(300)),
        pixels,
        (b"IEND", b""),
    )
    yield "PNG of more transparency than colours", palette
    for kind in range(256):
        header = (b"IHDR", PNG_HEADER.pack(16, 16, kind % 20, kind // 20, kind % 3, 0, kind % 4))
        yield "PNG of an odd kind", png_with(header, pixels, (b"IEND", b""))


def foreign(photo: Image.Image, encode: Encode, rng: random.Random) -> Iterator[Case]:
    for name in FOREIGN:
        yield name, encode(photo, name)
    for name in ("PNG", "WEBP"):
        animation = encode(photo, name, save_all=True, append_images=[ImageOps.invert(photo)])
        yield f"animated {name}", animation
    for text in ("", " ", "photo.jpg", "<svg xmlns='http://www.w3.org/2000/svg'/>", "{}", "é" * 99):
        yield "text", text.encode()
    for magic in (b"", *MAGICS):
        for length in (0, 1, 2, 10, 100, 1_000, 100_000):
            yield "magic and noise", magic + rng.randbytes(length)
            yield "magic and zeros", magic + bytes(length)
    yield "too many bytes", MAGICS[0] + bytes((64 << 20) + 1)


@pytest.fixture(scope="module")
def corpus(photo: Image.Image, encoded: Encode, png_with: Encode) -> list[Case]:
    rng = random.Random(20_240_717)
    exif = Image.Exif()
    exif[0x0112] = 6
    wholes = {
        "JPEG": encoded(photo, "JPEG", exif=exif),
        "progressive JPEG": encoded(photo, "JPEG", progressive=True),
        "CMYK JPEG": encoded(photo.convert("CMYK"), "JPEG"),
        "PNG": encoded(photo, "PNG", exif=exif),
        "palette PNG": encoded(photo.convert("P"), "PNG", transparency=b"\x00\x7f"),
        "alpha PNG": encoded(photo.convert("RGBA"), "PNG"),
        "lossy WebP": encoded(photo, "WEBP", exif=exif),
        "lossless WebP": encoded(photo.convert("RGBA"), "WEBP", lossless=True),
    }
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for format_name in ("JPEG", "PNG", "WebP"):
        wholes[f"profiled {format_name}"] = encoded(photo, format_name, icc_profile=profile)
    cases = list(bombs(photo, encoded, png_with))
    cases += foreign(photo, encoded, rng)
    for kind, whole in wholes.items():
        cases += truncated(kind, whole, 50)
        cases += flipped(kind, whole, 50, rng)
        cases += spliced(kind, whole, 10, rng)
    rng.shuffle(cases)
    return cases


def processes(server_pid: int) -> dict[int, int]:
    """Resident kB of the server and of all that it started, by process id."""
    parents, resident = {}, {}
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            lines = dict(line.split(":\t", 1) for line in status.read_text().splitlines())
        except (OSError, ValueError):
            continue
        if "VmRSS" in lines:
            parents[int(lines["Pid"])] = int(lines["PPid"])
            resident[int(lines["Pid"])] = int(lines["VmRSS"].split()[0])
    family = {server_pid}
    while grown := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= grown
    return {pid: resident[pid] for pid in family}


def test_malformed_images_change_nothing_for_a_good_one(server, stylize, corpus, photo, encoded):
    assert len(corpus) > 1_000
    good = encoded(photo, "JPEG")
    expected = stylize(good)
    for _ in range(20):
        stylize(good)
    before = processes(server.pid)

    def send(case: Case, options: dict[str, object]) -> str:
        _, image = case
        try:
            result = stylize(image, **options)
        except InferenceServerException as error:
            return f"{error.status()}: {error.message()}"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            Image.open(io.BytesIO(result)).load()
        return "decoded"

    with ThreadPoolExecutor(4) as senders:
        asked = itertools.cycle(OPTIONS)
        answers = []
        for start in range(0, len(corpus), ROUND):
            answers += [
                senders.submit(send, case, next(asked)) for case in corpus[start : start + ROUND]
            ]
            assert stylize(good) == expected
            # The next round follows while this one is under way.
            for answer in answers[:start]:
                answer.result()
    refused = 0
    for (kind, _), answer in zip(corpus, answers, strict=True):
        words = answer.result()
        if words != "decoded":
            assert words.startswith(REFUSAL), (kind, words)
            assert len(words) < 400, (kind, words)
            assert " object at 0x" not in words, (kind, words)
            refused += 1
    assert refused > 500

    after = processes(server.pid)
    assert after.keys() == before.keys()
    assert sum(after.values()) < sum(before.values()) + (400 << 10)
    assert stylize(good) == expected


def test_strange_requests_change_nothing_for_a_good_one(server, photo, encoded):
    pid = server.pid
    images = [encoded(photo, "JPEG"), *filter(None, corpus_of("image"))]
    counts = fuzz_server(server.grpc_url, ["stylize", "style"], images, MESSAGES, seed=1)
    assert server.pid == pid
    assert counts["OK"] > 0
    assert counts["INVALID_ARGUMENT"] > MESSAGES / 4


def test_refusals_leave_nothing_unfinished(server, stylize, photo, encoded):
    picture = encoded(photo, "PNG")
    for image, style in ((b"GIF89a", "udnie"), (picture, "nobody"), (b"GIF89a", "nobody")) * 30:
        with pytest.raises(InferenceServerException, match=r"the image is a GIF|unknown style"):
            stylize(image, style)
    with grpc.InferenceServerClient(server.grpc_url) as client:
        assert client.is_model_ready("stylize")
