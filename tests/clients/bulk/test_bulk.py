"""Runs from folder to folder, without a server."""

import asyncio
import errno
import json
import os
import threading

import grpc
import pytest

from atelier import AsyncClient, InvalidRequest, Unreachable
from atelier._bulk import folder_sink
from atelier._bulk.bulk import Bulk, BulkUsageError
from atelier._bulk.inputs import Inputs, inputs_of
from atelier._bulk.run import OutputError
from atelier._bulk.tasks import Stylize
from atelier.testing import MockTransport, StatusError

CONFIG = 'name: "stylize" parameters { key: "calls" value { string_value: "style" } }'
UDNIE = Stylize("udnie")


class Server(MockTransport):
    """Answers with the image itself, and counts."""

    def __init__(self):
        super().__init__(self.answer, [CONFIG])
        self.versions = {"stylize": ["1"], "style": ["1"]}
        self.meanwhile = lambda: None

    def answer(self, request):
        self.meanwhile()
        return {"stylized": request.inputs["image"]}

    def _response(self, request):
        response = super()._response(request)
        if request.method == "ModelMetadata":
            response.versions[:] = self.versions[request.model]
        return response

    def computed(self):
        """How many images there were since the last call, but for the probe of the run."""
        count = len(self.requests) - 1
        self.requests.clear()
        return count


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def run(server, tmp_path):
    """Runs from a folder to `out`; returns the summary."""

    async def run(source, task=UDNIE, out=tmp_path / "out", **options):
        art = AsyncClient(transport=server, retries=0)
        return await Bulk(art, task, inputs_of(str(source)), str(out), **options).run()

    return run


async def test_the_output_mirrors_the_input(run, server, photos, tmp_path, files_of):
    summary = await run(photos)
    inputs = files_of(photos)
    del inputs["notes.txt"]
    assert files_of(tmp_path / "out") == inputs
    assert (summary.computed, summary.seen, server.computed()) == (6, 6, 6)
    assert json.loads((tmp_path / "out/_atelier/summary.json").read_text())["computed"] == 6
    assert (tmp_path / "out/_atelier/errors.jsonl").read_text() == ""


async def test_another_format_comes_after_the_name(run, photos, tmp_path, files_of, picture):
    (photos / "a.bmp").write_bytes(picture("bmp"))
    (photos / "a.tiff").write_bytes(picture("tiff", (30, 30)))
    await run(photos)
    names = set(files_of(tmp_path / "out"))
    # The mock answers with what the client sent: lossless WebP.
    assert {"a.jpg", "a.bmp.webp", "a.tiff.webp"} < names


async def test_a_second_run_computes_nothing(run, server, photos, tmp_path):
    await run(photos)
    server.computed()
    summary = await run(photos)
    assert (summary.skipped, summary.computed, server.computed()) == (6, 0, 0)


async def test_what_changed_is_computed_again(run, server, photos, tmp_path, picture):
    await run(photos)
    server.computed()
    (photos / "a.jpg").write_bytes(picture("jpeg", (99, 16)))
    (tmp_path / "out/c.webp").unlink()
    (tmp_path / "out/sub/a.jpg").write_bytes(b"cut")
    assert (await run(photos)).computed == server.computed() == 3
    # A touched file has the same content, which is all that counts.
    os.utime(photos / "a.jpg")
    assert (await run(photos)).skipped == 6
    assert server.computed() == 0


async def test_options_and_versions_are_part_of_the_work(run, server, photos):
    await run(photos)
    assert (await run(photos, Stylize("udnie", strength=0.5))).computed == 6
    assert (await run(photos, Stylize("udnie", strength=0.5))).computed == 0
    for model in ("style", "stylize"):
        server.versions[model] = ["1", "2"]
        assert (await run(photos, Stylize("udnie", strength=0.5))).computed == 6
    assert (await run(photos, Stylize("udnie", strength=0.5), force=True)).computed == 6


async def test_equal_inputs_are_computed_once(run, server, photos, tmp_path, files_of, picture):
    for i in range(30):
        (photos / f"copy-{i}.jpg").write_bytes((photos / "a.jpg").read_bytes())
    summary = await run(photos)
    assert (summary.computed, summary.copied, server.computed()) == (6, 30, 6)
    assert files_of(tmp_path / "out")["copy-7.jpg"] == (photos / "a.jpg").read_bytes()
    assert (await run(photos)).skipped == 36
    # A renamed file is known by its content.
    (photos / "a.jpg").rename(photos / "renamed.jpg")
    summary = await run(photos)
    assert (summary.computed, summary.copied, summary.skipped) == (0, 1, 35)


async def test_broken_inputs_cost_a_line_each(run, server, photos, tmp_path):
    (photos / "broken.jpg").write_bytes(b"no image")
    (photos / "empty.jpg").write_bytes(b"")
    (photos / "loop.jpg").symlink_to("loop.jpg")
    (photos / "gone.jpg").symlink_to("nowhere.jpg")
    (photos / "sub/up").symlink_to("..")
    bad = os.fsencode(photos) + b"/\xff\xfe.jpg"
    with open(bad, "wb") as file:  # noqa: PTH123
        file.write(b"no image either")
    summary = await run(photos)
    assert (summary.computed, summary.failed) == (6, 5)
    lines = map(json.loads, (tmp_path / "out/_atelier/errors.jsonl").read_text().splitlines())
    reasons = {os.fsencode(line["name"]): line["reason"] for line in lines}
    assert set(reasons) == {b"broken.jpg", b"empty.jpg", b"loop.jpg", b"gone.jpg", b"\xff\xfe.jpg"}
    assert reasons[b"gone.jpg"] == "No such file or directory"
    assert "not an image" in reasons[b"\xff\xfe.jpg"]
    # Mended, it is done by the next run.
    (photos / "broken.jpg").write_bytes((photos / "a.jpg").read_bytes())
    assert (await run(photos)).copied == 1


async def test_names_that_are_not_utf8_are_kept(run, photos, tmp_path, picture):
    name = b"\xe4\xf6.jpg"
    with open(os.fsencode(photos) + b"/" + name, "wb") as file:  # noqa: PTH123
        file.write(picture("jpeg", (77, 16)))
    assert (await run(photos)).failed == 0
    assert (tmp_path / "out" / os.fsdecode(name)).exists()
    assert (await run(photos)).skipped == 7


async def test_a_file_that_vanishes_after_it_was_listed(run, server, photos, tmp_path):
    def vanishing():
        for source in inputs_of(str(photos)).each():
            if source.name == "sub/ü.png":
                (photos / source.name).unlink()
            yield source

    inputs = Inputs(vanishing, countable=False)
    bulk = Bulk(AsyncClient(transport=server), UDNIE, inputs, str(tmp_path / "out"))
    summary = await bulk.run()
    assert (summary.computed, summary.failed) == (5, 1)


async def test_a_run_goes_on_after_it_was_broken_off(run, server, photos, tmp_path, files_of):
    class Killed(BaseException):
        pass

    def die_in_the_third():
        if len(server.requests) == 4:
            raise Killed

    server.meanwhile = die_in_the_third
    with pytest.raises(Killed):
        await run(photos)
    first = len(files_of(tmp_path / "out"))
    server.computed()
    server.meanwhile = lambda: None
    summary = await run(photos)
    assert (summary.skipped, summary.computed) == (first, 6 - first)
    assert first >= 1


async def test_an_asked_stop_ends_with_what_is_in_flight(run, server, photos, tmp_path, files_of):
    stopping = threading.Event()
    server.meanwhile = lambda: stopping.set() if len(server.requests) > 1 else None
    summary = await run(photos, stopping=stopping)
    assert summary.interrupted
    assert len(files_of(tmp_path / "out")) == summary.computed == server.computed() == 1
    server.meanwhile = lambda: None
    assert (await run(photos)).computed == 5


async def test_a_full_disk_ends_the_run(run, server, photos, tmp_path, files_of, monkeypatch):
    written = []

    def full(path, data):
        if len(written) == 2:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        written.append(path)
        path.write_bytes(data)

    monkeypatch.setattr(folder_sink, "write_whole", full)
    with pytest.raises(OutputError, match="No space left"):
        await run(photos)
    monkeypatch.undo()
    assert (await run(photos)).skipped == 2


async def test_a_name_that_cannot_be_written_fails_alone(run, photos, tmp_path):
    (tmp_path / "out/sub").mkdir(parents=True)
    (tmp_path / "out/sub/deep").write_text("in the way of a folder")
    summary = await run(photos)
    assert (summary.computed, summary.failed) == (5, 1)


async def test_two_runs_into_one_folder(run, server, photos, tmp_path):
    second = []
    loop = asyncio.get_running_loop()
    started = asyncio.Event()

    def start_the_other():
        if len(server.requests) > 1:
            loop.call_soon_threadsafe(started.set)

    server.meanwhile = start_the_other
    first = asyncio.create_task(run(photos))
    await started.wait()
    if not first.done():
        with pytest.raises(BulkUsageError, match="another run writes to"):
            await run(photos)
        second.append("refused")
    await first
    assert second == ["refused"]


async def test_an_output_that_cannot_be_made(run, photos, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BulkUsageError, match="cannot be written"):
        await run(photos, out=tmp_path / "file/out")


async def test_a_refused_option_ends_the_run_before_it_begins(run, server, photos, tmp_path):
    def refuse():
        raise StatusError(grpc.StatusCode.INVALID_ARGUMENT, "no style 'nobody'")

    server.meanwhile = refuse
    with pytest.raises(InvalidRequest, match="nobody"):
        await run(photos)
    assert not (tmp_path / "out").exists()


async def test_it_gives_up_on_a_server_that_went_away(run, server, photos, tmp_path, files_of):
    def leave():
        if len(server.requests) > 3:
            raise StatusError(grpc.StatusCode.UNAVAILABLE, "failed to connect")

    server.meanwhile = leave
    with pytest.raises(Unreachable):
        await run(photos, patience=0)
    assert (tmp_path / "out/_atelier/summary.json").exists()
    done = len(files_of(tmp_path / "out"))
    server.meanwhile = lambda: None
    assert (await run(photos)).skipped == done


async def test_a_dry_run_counts_and_writes_nothing(server, photos, tmp_path, run):
    def planned(**options):
        art = AsyncClient(transport=server)
        inputs = inputs_of(str(photos))
        return Bulk(art, Stylize("udnie"), inputs, str(tmp_path / "out"), **options).dry_run()

    (photos / "copy.jpg").write_bytes((photos / "a.jpg").read_bytes())
    (photos / "broken.jpg").write_bytes(b"no")
    tally = await planned()
    assert (tally.computed, tally.copied, tally.failed) == (6, 1, 1)
    assert not (tmp_path / "out").exists()
    await run(photos)
    tally = await planned()
    assert (tally.computed, tally.skipped) == (0, 7)
    assert (await planned(force=True)).computed == 6
