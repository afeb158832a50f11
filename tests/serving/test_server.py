import json
import os
import re
import signal
import socket
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest

import atelier_serving
from atelier_serving import CrashError, StartError, TritonServer
from atelier_serving.launch import Launch
from atelier_serving.log import is_noise
from fakes.waiting import HANG_SECONDS, until


def test_two_servers_at_once_and_one_stops(server, waiters, send, infer, drains):
    with TritonServer(str(waiters), http_port=0) as second:
        addresses = {
            getattr(each, f"{protocol}_url")
            for each in (server, second)
            for protocol in ("grpc", "http", "metrics")
        }
        assert len(addresses) == 6
        assert second.pid != server.pid
        held = send(second.grpc_url, second.metrics_url, 8)
        second.terminate()
        until(lambda: drains(second.http_url))
        held.open()
        second.stop()
        assert not second.running
        assert [answer.result() for answer in held.answers] == held.expected
    assert infer(server.grpc_url) == 0


def test_the_log_is_handed_on_and_the_repository_stays_as_it_was(start, tmp_path, write_model):
    code = "print('the model speaks')\nclass TritonPythonModel:\n    pass\n"
    write_model(tmp_path, "speaker", code)
    before = sorted(tmp_path.rglob("*"))
    lines = []
    server = start(tmp_path, log=lines.append, verbose=True)
    server.kill()
    server.wait()
    assert "the model speaks" in lines
    assert any("successfully loaded 'speaker'" in line for line in lines)
    assert not any("CudaDriverHelper" in line for line in lines)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_log_that_cannot_be_written_stops_nothing(start, tmp_path, write_model):
    told = []

    def log(line):
        told.append(line)
        raise BrokenPipeError

    # More than a pipe holds, so that a server whose log nobody reads would stand still.
    code = "print('x' * 100 + '\\n' * 200_000)\nclass TritonPythonModel:\n    pass\n"
    assert start(write_model(tmp_path, "speaker", code), log=log).running
    assert len(told) == 1


def test_modules_in_the_working_directory_are_not_taken_for_others(
    start, tmp_path, write_model, monkeypatch
):
    (tmp_path / "work").mkdir()
    for name in ("model", "json"):
        (tmp_path / "work" / f"{name}.py").write_text("raise SystemExit('the wrong module')")
    write_model(
        tmp_path / "work" / "repository",
        "speaker",
        "import json\nclass TritonPythonModel:\n    pass\n",
    )
    monkeypatch.chdir(tmp_path / "work")
    assert start("repository").running


def test_models_import_what_this_process_can(start, tmp_path, write_model, monkeypatch):
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "only_here.py").touch()
    monkeypatch.syspath_prepend(tmp_path / "modules")
    code = (
        "import json, only_here, atelier_serving, numpy\n"
        "files = [module.__file__ for module in (only_here, atelier_serving, numpy)]\n"
        "print(json.dumps(files))\n"
        "class TritonPythonModel:\n    pass\n"
    )
    lines = []
    server = start(write_model(tmp_path / "models", "importer", code), log=lines.append)
    server.kill()
    server.wait()
    expected = [
        str(tmp_path / "modules" / "only_here.py"),
        atelier_serving.__file__,
        np.__file__,
    ]
    assert json.dumps(expected) in lines


def test_without_verbose_a_good_start_tells_no_progress(start):
    lines = []
    start(log=lines.append)
    assert [line for line in lines if is_noise(line) or re.match(r"I\d{4} ", line)] == []


def test_requests_that_take_longer_than_the_exit_timeout_are_told(start, send):
    server = start(exit_timeout=1)
    held = send(server.grpc_url, server.metrics_url, 2)
    with pytest.raises(CrashError, match="before all requests were answered"):
        server.stop()
    assert all(answer.exception() for answer in held.answers)


def supervisor(server):
    """The process id of a server's supervisor, whose death is the server's."""
    return int(Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_crash_is_noted_on_the_error_of_the_block(start):
    server = start()
    os.kill(supervisor(server), signal.SIGKILL)
    error = ValueError("what the block was doing")
    until(lambda: not server.running)
    server.__exit__(ValueError, error, None)
    assert "SIGKILL" in error.__notes__[0]


def test_a_wait_ends_while_the_server_runs_on(server):
    with pytest.raises(TimeoutError, match="still runs after 0 s"):
        server.wait(0)
    assert server.running


def test_the_last_words_before_a_crash_are_told_and_not_old_errors_alone(
    start, tmp_path, write_model
):
    code = """
print('E1121 07:49:38.153591 6311 server.cc:241] "an old error"')
print("terminate called")


class TritonPythonModel:
    pass
"""
    server = start(write_model(tmp_path, "crashes", code))
    os.kill(supervisor(server), signal.SIGKILL)
    with pytest.raises(CrashError, match=r"(?s)its last words:.*terminate called"):
        server.wait(HANG_SECONDS)


def test_a_start_that_fails_early_leaves_no_directory(tmp_path, waiters, monkeypatch):
    from atelier_serving.directory import ServerDirectory

    def interrupt(directory, installation):
        raise KeyboardInterrupt

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(ServerDirectory, "fill", interrupt)
    with pytest.raises(KeyboardInterrupt):
        TritonServer(waiters).start()
    assert list(tmp_path.iterdir()) == []


def test_the_server_outlives_the_thread_that_started_it(waiters, infer):
    server = TritonServer(waiters)
    thread = threading.Thread(target=server.start)
    thread.start()
    thread.join()
    assert infer(server.grpc_url) == 0
    assert server.running
    server.kill()
    server.wait()
    assert not server.running


def test_a_server_starts_once(server):
    with pytest.raises(RuntimeError, match="starts once"):
        server.start()


def test_addresses_are_known_once_it_was_started(waiters):
    with pytest.raises(RuntimeError, match="has not been started"):
        _ = TritonServer(waiters).grpc_url


def test_a_broken_model_keeps_the_server_from_starting(tmp_path, write_model):
    write_model(tmp_path, "good")
    write_model(tmp_path, "broken", "import no_such_module\n")
    write_model(
        tmp_path,
        "raising",
        "class TritonPythonModel:\n"
        "    def initialize(self, args):\n"
        "        raise ValueError('styles is empty')\n",
    )
    with pytest.raises(StartError) as error:
        TritonServer(tmp_path).start()
    message = str(error.value)
    assert "model 'broken' version 1: Internal: ModuleNotFoundError: No module" in message
    assert "model 'raising' version 1: Internal: ValueError: styles is empty (at " in message
    assert "good" not in message
    assert len(message.splitlines()) == 3


def test_a_crash_during_the_start_is_told_with_its_signal(tmp_path, write_model):
    code = """
import os
import signal


class TritonPythonModel:
    def initialize(self, args):
        os.kill(os.getppid(), signal.SIGSEGV)
"""
    write_model(tmp_path, "crashes", code)
    with pytest.raises(StartError, match="was ended by SIGSEGV while it started"):
        TritonServer(tmp_path).start()


def test_a_crash_after_a_model_that_did_not_load_is_told_with_the_model(tmp_path, write_model):
    failed = tmp_path / "failed"
    crashing = f"""
import os
import signal
import time


class TritonPythonModel:
    def initialize(self, args):
        while not os.path.exists({str(failed)!r}):
            time.sleep(0.01)
        os.kill(os.getppid(), signal.SIGSEGV)
"""

    def log(line):
        if "failed to load 'broken'" in line:
            failed.touch()

    repository = tmp_path / "models"
    write_model(repository, "broken", "import nothing_of_this_name\n")
    write_model(repository, "crashes", crashing)
    with pytest.raises(
        StartError, match=r"did not start:\nmodel 'broken' version 1: Internal: Mod"
    ):
        TritonServer(repository, log=log).start()


def test_a_missing_model_file_is_told_without_waiting_for_its_stub(tmp_path, write_model):
    (write_model(tmp_path, "empty") / "empty" / "1" / "model.py").unlink()
    with pytest.raises(StartError, match=r"Python model file not found in '.*empty/1/model.py'"):
        TritonServer(tmp_path).start()


def test_a_model_that_loads_too_long_is_told(tmp_path, write_model):
    write_model(tmp_path, "endless", "import threading\nthreading.Event().wait()\n")
    with pytest.raises(StartError, match=r"not ready after 0.5 s"):
        TritonServer(tmp_path, start_timeout=0.5).start()


@pytest.mark.parametrize("protocol", ["grpc", "http", "metrics"])
def test_a_port_in_use_is_told_at_once(waiters, protocol):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(StartError, match=f"port {port} of .* is in use"):
            TritonServer(waiters, **{f"{protocol}_port": port}).start()


def test_ports_that_others_took_meanwhile_are_chosen_anew(start, infer, monkeypatch):
    from atelier_serving import launch as module

    with socket.create_server(("127.0.0.1", 0)) as other:
        ports = [other.getsockname()[1]]
        find = module.free_port
        monkeypatch.setattr(
            module, "free_port", lambda address: ports.pop() if ports else find(address)
        )
        server = start()
    assert infer(server.grpc_url) == 0


CRASHES_ONCE = """
import os
import signal
import sys
from pathlib import Path

crashed = Path(__file__).with_name("crashed")
if not crashed.exists():
    crashed.touch()
    print("what():  boost::interprocess::lock_exception", file=sys.stderr, flush=True)
    os.kill(os.getppid(), signal.SIGABRT)
"""


def test_triton_is_started_again_after_a_crash_by_chance(start, infer, tmp_path, write_model):
    code = write_model(tmp_path, "waiter") / "waiter" / "1" / "model.py"
    code.write_text(CRASHES_ONCE + code.read_text())
    assert infer(start(tmp_path).grpc_url) == 0
    assert code.with_name("crashed").exists()


def test_a_stop_between_two_starts_is_not_lost(tmp_path, write_model, monkeypatch):
    write_model(tmp_path, "broken", "import no_such_module\n")
    server = TritonServer(tmp_path)
    starts = []

    def stopped_meanwhile(launch):
        starts.append(launch)
        server.terminate()
        return True

    monkeypatch.setattr(Launch, "failed_by_chance", property(stopped_meanwhile))
    with pytest.raises(StartError, match="it was told to stop"):
        server.start()
    assert len(starts) == 1
    with pytest.raises(CrashError, match=r"^Triton (was ended|ended)"):
        server.wait()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("missing", ": No such file or directory"),
        ("file", ": Not a directory"),
        ("empty", " is empty: it holds no model"),
    ],
)
def test_a_repository_that_is_none_is_told(tmp_path, name, why):
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(StartError, match=f"/{name}'{why}$"):
        TritonServer(tmp_path / name).start()


def test_a_model_in_two_repositories_is_told(tmp_path, waiters, write_model):
    other = write_model(tmp_path, "waiter")
    with pytest.raises(StartError, match=r"the model 'waiter' lies in .* and in "):
        TritonServer([waiters, other]).start()


def test_several_repositories_are_served_together(start, tmp_path, waiters, write_model, infer):
    server = start([waiters, write_model(tmp_path, "another")])
    assert infer(server.grpc_url) == 0


def test_an_unknown_option_of_triton_is_told(waiters):
    with pytest.raises(StartError, match="unrecognized option '--no-such-option'"):
        TritonServer(waiters, options=["--no-such-option"]).start()


def test_a_missing_extra_is_named(waiters, monkeypatch):
    from atelier_serving import installation

    monkeypatch.setattr(installation.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="install the extra serving-cpu") as error:
        TritonServer(waiters).start()
    assert error.value.name == "pytriton"


def test_numpy_2_is_refused(waiters, monkeypatch):
    from atelier_serving import installation

    monkeypatch.setattr(installation.importlib.metadata, "version", lambda name: "2.1.0")
    with pytest.raises(StartError, match=r"numpy 2.1.0 .* pip install 'numpy<2'"):
        TritonServer(waiters).start()
