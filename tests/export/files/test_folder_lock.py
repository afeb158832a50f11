import subprocess
import sys
from pathlib import Path

import pytest

from atelier_export.files.folder_lock import folder_lock

_KEEP = """
import sys
from pathlib import Path
from atelier_export.files.folder_lock import folder_lock
with folder_lock(Path(sys.argv[1]), ValueError("taken")):
    print("kept", flush=True)
    sys.stdin.read()
"""


def is_free(folder: Path) -> bool:
    try:
        with folder_lock(folder, KeyError("taken")):
            return True
    except KeyError:
        return False


def test_one_at_a_time(tmp_path):
    with folder_lock(tmp_path, ValueError("taken")):
        assert not is_free(tmp_path)
        # That another tried in vain changes nothing.
        assert not is_free(tmp_path)
    assert is_free(tmp_path)
    with pytest.raises(ZeroDivisionError), folder_lock(tmp_path, ValueError("taken")):
        raise ZeroDivisionError
    assert is_free(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_killed_process_keeps_nothing(tmp_path):
    command = [sys.executable, "-c", _KEEP, tmp_path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"kept\n"
        assert not is_free(tmp_path)
        process.kill()
        process.wait()
        assert is_free(tmp_path)


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    with (
        pytest.raises(FileNotFoundError, match="nowhere"),
        folder_lock(tmp_path / "nowhere", KeyError()),
    ):
        pass
