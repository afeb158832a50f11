"""`atelier.bulk` against the scripted server."""

import csv
import io
import subprocess

import numpy as np
import pytest
from PIL import Image

from atelier.bulk import (
    BulkUsageError,
    Classify,
    Generate,
    OutputError,
    Reconstruct,
    Stylize,
    run,
)
from fakes.autoencoder import Autoencoder
from fakes.generator import Generator


def test_a_folder(server, photos, tmp_path, files_of):
    summary = run(Stylize("udnie"), photos, tmp_path / "out", url=server.url)
    assert (summary.computed, summary.failed, summary.interrupted) == (6, 0, False)
    assert {"a.jpg", "sub/deep/d e.jpeg"} < set(files_of(tmp_path / "out"))
    assert run(Stylize("udnie"), photos, tmp_path / "out", url=server.url).skipped == 6
    again = run(Stylize("udnie"), photos, tmp_path / "out", url=server.url, force=True)
    assert again.computed == 6


def test_a_table(server, photos, tmp_path):
    server.classes = {"probabilities": [b"0.75:4:ukiyo_e"], "era_probabilities": [b"0.5:2:modern"]}
    run(Classify(top=1), photos, tmp_path / "out.csv", url=server.url)
    with (tmp_path / "out.csv").open(newline="") as file:
        assert {row["movement"] for row in csv.DictReader(file)} == {"ukiyo_e"}


def test_reconstructed_images(server, photos, tmp_path, files_of):
    server.autoencoder = Autoencoder()
    summary = run(Reconstruct(), photos, tmp_path / "out", url=server.url)
    assert summary.computed == 6
    files = files_of(tmp_path / "out")
    assert set(files) == {
        *("a.jpg.png", "b.PNG", "c.webp.png", "sub/a.jpg.png"),
        *("sub/deep/d e.jpeg.png", "sub/ü.png"),
    }
    for content in files.values():
        assert Image.open(io.BytesIO(content)).format == "PNG"
    assert run(Reconstruct(), photos, tmp_path / "out", url=server.url).skipped == 6


def test_generated_images(server, tmp_path, files_of):
    server.generator = Generator()
    summary = run(Generate("ukiyo_e"), range(5, 12), tmp_path / "out", url=server.url)
    assert summary.computed == 7
    files = files_of(tmp_path / "out")
    assert set(files) == {f"{seed}.png" for seed in range(5, 12)}
    assert len(set(files.values())) == 7
    # More of them: only what is new is painted.
    summary = run(Generate("ukiyo_e"), range(14), tmp_path / "out", url=server.url)
    assert (summary.computed, summary.skipped) == (7, 7)
    assert files_of(tmp_path / "out").items() > files.items()
    summary = run(Generate("ukiyo_e", truncation=0.5), range(3), tmp_path / "out", url=server.url)
    assert summary.computed == 3


def test_what_cannot_be_used(server, photos, tmp_path):
    for source, out, reason in [
        (tmp_path / "gone", tmp_path / "out", "there is no file or folder"),
        (photos, photos / "out", "results would become inputs"),
        (photos, tmp_path / "out.csv", "a folder, a .tar or a URL"),
    ]:
        with pytest.raises(BulkUsageError, match=reason):
            run(Stylize("udnie"), source, out, url=server.url)
    server.classes = {"probabilities": [b"1:0:cubism"], "era_probabilities": [b"1:0:modern"]}
    with pytest.raises(BulkUsageError, match="the results go to a table"):
        run(Classify(top=1), photos, tmp_path / "out", url=server.url)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 128 KiB; skipped where this user may mount none."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no small disk: this user may not mount a tmpfs ({error})")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_ends_the_run_and_leaves_whole_files(
    server, answer, photos, small_disk, tmp_path, files_of
):
    painting = noise()
    server.script = [answer(painting)] * 100
    state = tmp_path / "state"
    with pytest.raises(OutputError, match="No space left on device"):
        run(Stylize("udnie"), photos, small_disk, url=server.url, state=state)
    written = files_of(small_disk)
    assert 1 <= len(written) <= 3
    assert set(written.values()) == {painting}
    # With the room that it needs, the same call does the rest.
    subprocess.run(["mount", "-o", "remount,size=1m", str(small_disk)], check=True)
    summary = run(Stylize("udnie"), photos, small_disk, url=server.url, state=state)
    assert (summary.skipped, summary.computed) == (len(written), 6 - len(written))


def noise() -> bytes:
    """A PNG of some 50 KB."""
    buffer = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()
