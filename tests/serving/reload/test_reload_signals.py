"""SIGUSR1 to `atelier serve`, at any time."""

import io
import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from atelier_serving.commands import serve as serve_here


def wait_for(command, text, seconds=60):
    end = time.monotonic() + seconds
    while text not in command.log:
        assert time.monotonic() < end, command.log
        time.sleep(0.02)


@pytest.fixture
def serve_painter(serve, repository, processes):
    """Starts `atelier serve`; afterwards nothing of it may be left."""
    started = {}

    def start(*, ready=True):
        command = serve("--model-repository", repository.path)
        urls = command.ready() if ready else {}
        started[command] = processes(command.process.pid)
        return command, urls

    yield start
    for command, pids in started.items():
        command.close()
        assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []
        assert list(Path("/dev/shm").glob(f"atelier_{command.process.pid}_*")) == []


def test_one_line_tells_what_happened(serve_painter, repository, ask):
    command, urls = serve_painter()
    wait_for(command, "\n")
    assert command.log.startswith(f"atelier serve has the process id {command.process.pid}\n")
    command.process.send_signal(signal.SIGUSR1)
    wait_for(command, f"nothing new in {repository.path}\n")
    repository.publish(2, "blue,green,red")
    command.process.send_signal(signal.SIGUSR1)
    wait_for(command, "reloaded: palette version 2; painter, gallery were closed for ")
    assert ask(urls["grpc"], "red") == "red 2"
    repository.publish(3, "red")
    (repository.path / "palette" / "3" / "colours").unlink()
    command.process.send_signal(signal.SIGUSR1)
    wait_for(command, "reload failed: model 'palette' version 3: Internal: FileNotFoundError")
    assert ask(urls["grpc"], "blue") == "blue 2"
    command.process.send_signal(signal.SIGTERM)
    assert command.end() == 0
    assert command.process.stdout.read() == ""


def test_a_signal_during_the_start_waits_for_its_end(serve_painter, repository, ask):
    repository.publish(1, "red,green", seconds="1")
    command, _ = serve_painter(ready=False)
    wait_for(command, "palette loads slowly")
    repository.publish(2, "green,red")
    command.process.send_signal(signal.SIGUSR1)
    urls = command.ready()
    wait_for(command, "reloaded: palette version 2")
    assert ask(urls["grpc"], "red") == "red 2"
    command.process.send_signal(signal.SIGTERM)
    assert command.end() == 0


def test_a_signal_during_the_drain_changes_nothing(serve_painter, repository, ask):
    command, urls = serve_painter()
    with ThreadPoolExecutor() as pool:
        slow = pool.submit(ask, urls["grpc"], "2/red")
        time.sleep(0.5)
        repository.publish(2, "green,red")
        command.process.send_signal(signal.SIGTERM)
        wait_for(command, "stopping:")
        command.process.send_signal(signal.SIGUSR1)
        assert slow.result() == "red 1"
    assert command.end() == 0
    assert "reload failed: the server is stopping" in command.log


def test_sigterm_while_ensembles_close_lets_them_finish(serve_painter, repository, ask):
    command, urls = serve_painter()
    with ThreadPoolExecutor() as pool:
        slow = [pool.submit(ask, urls["grpc"], "3/red", m) for m in ("painter", "gallery")]
        time.sleep(0.5)
        repository.publish(2, "green,red")
        command.process.send_signal(signal.SIGUSR1)
        time.sleep(0.5)
        command.process.send_signal(signal.SIGTERM)
        assert [future.result() for future in slow] == ["red 1"] * 2
    assert command.end() == 0
    assert "reload failed: the server is stopping" in command.log


def test_sigterm_while_a_model_loads_ends_well(serve_painter, repository, ask):
    command, urls = serve_painter()
    repository.publish(2, "green,red", seconds="3")
    with ThreadPoolExecutor() as pool:
        command.process.send_signal(signal.SIGUSR1)
        wait_for(command, "palette loads slowly")
        slow = pool.submit(ask, urls["grpc"], "2/red", "bystander")
        time.sleep(0.3)
        command.process.send_signal(signal.SIGTERM)
        assert slow.result() == "2/red"
    assert command.end() == 0
    assert "reload failed: the server is stopping" in command.log


def test_a_second_sigterm_during_a_reload_stops_at_once(serve_painter, repository):
    command, _ = serve_painter()
    repository.publish(2, "green,red", seconds="30")
    command.process.send_signal(signal.SIGUSR1)
    wait_for(command, "palette loads slowly")
    begun = time.monotonic()
    for _ in range(2):
        command.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
    assert command.end() == 128 + signal.SIGTERM
    assert time.monotonic() - begun < 5


def test_nothing_is_left_of_a_launcher_killed_during_a_reload(serve_painter, repository, processes):
    command, _ = serve_painter()
    repository.publish(2, "green,red", seconds="1")
    command.process.send_signal(signal.SIGUSR1)
    wait_for(command, "palette loads slowly")
    pids = processes(command.process.pid)
    os.kill(command.process.pid, signal.SIGKILL)
    end = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < end
        time.sleep(0.1)


class Unreliable:
    """A server whose first reload breaks, and which ends once it has reloaded again."""

    grpc_url = http_url = metrics_url = "127.0.0.1:1"

    def __init__(self, *arguments, **settings):
        self.reloads = 0

    def start(self):
        pass

    def reload(self):
        self.reloads += 1
        if self.reloads == 1:
            raise KeyError("what nobody thought of")
        return "nothing new"

    def wait(self):
        for count in (1, 2):
            signal.raise_signal(signal.SIGUSR1)
            end = time.monotonic() + 10
            while self.reloads < count:
                assert time.monotonic() < end
                time.sleep(0.01)


@pytest.fixture
def unreliable(monkeypatch):
    """Has `atelier serve` in this process serve with `Unreliable`."""
    handled = (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in handled}
    monkeypatch.setattr("atelier_serving.server.TritonServer", Unreliable)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_signal_is_heard_after_a_reload_that_broke(unreliable, capsys):
    serve_here([], standalone_mode=False)
    assert capsys.readouterr().err.splitlines()[1:] == [
        "reload failed: KeyError('what nobody thought of')",
        "nothing new",
    ]


def test_a_signal_is_heard_when_nobody_reads_the_log_any_more(unreliable, monkeypatch):
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb", buffering=0) as gone:
        monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(gone, write_through=True))
        serve_here([], standalone_mode=False)
