"""Files written whole or not at all, in the place that was named."""

import errno
import os
import stat

import pytest

from atelier._atomic_write import write_whole


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "painting.png"
    path.write_bytes(b"old")

    def fail(descriptor: int) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="disk full"):
            write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_pipe_is_written_not_replaced(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    write_whole(path, b"through")
    assert os.read(reader, 100) == b"through"
    os.close(reader)
    assert path.is_fifo()


@pytest.mark.parametrize("there", [True, False])
def test_a_link_is_written_through(tmp_path, there):
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / "painting.png"
    link = tmp_path / "link.png"
    link.symlink_to("elsewhere/painting.png")
    if there:
        target.write_bytes(b"old")
    write_whole(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert list(target.parent.iterdir()) == [target]


def test_a_link_to_itself_is_no_place(tmp_path):
    link = tmp_path / "loop.png"
    link.symlink_to(link)
    with pytest.raises(OSError, match="symbolic links") as caught:
        write_whole(link, b"new")
    assert caught.value.filename == str(link)
    assert list(tmp_path.iterdir()) == [link]


def test_permissions_and_owner_are_kept(tmp_path, monkeypatch):
    path = tmp_path / "painting.png"
    path.write_bytes(b"old")
    path.chmod(0o640)
    owners = []
    # Whoever runs the tests may not give files away.
    monkeypatch.setattr(os, "chown", lambda file, user, group: owners.append((user, group)))
    write_whole(path, b"new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert owners == [(path.stat().st_uid, path.stat().st_gid)]


def test_who_may_not_give_files_away_writes_them_all_the_same(tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    path = tmp_path / "painting.png"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "chown", refuse)
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("length", [250, 255])
def test_a_name_may_be_as_long_as_the_file_system_takes(tmp_path, length):
    path = tmp_path / ("x" * length)
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("step", ["open", "fsync", "replace"])
def test_an_error_names_the_file_that_was_asked_for(tmp_path, monkeypatch, step):
    path = tmp_path / "painting.png"

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if step == "open":
        path = tmp_path / "no" / "painting.png"
    else:
        monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="painting") as caught:
        write_whole(path, b"new")
    assert caught.value.filename == str(path)
    assert list(tmp_path.iterdir()) == []
