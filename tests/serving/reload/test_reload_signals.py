"""SIGUSR1 to `atelier serve`, at any time."""

import ctypes
import io
import os
import signal
import sys
from pathlib import Path

import pytest

from atelier_serving.commands import serve as serve_here
from fakes.waiting import until

send_to_thread = ctypes.CDLL(None, use_errno=True).tgkill


@pytest.fixture
def wait_for():
    """Waits until a command's log has a text."""
    return lambda command, text: until(lambda: text in command.log)


@pytest.fixture
def serve_painter(pool, serve, repository, processes):
    """Starts `atelier serve`; afterwards nothing of it may be left."""
    started = {}

    def start(*options, ready=True):
        command = serve("--model-repository", repository.path, *options)
        urls = command.ready() if ready else {}
        started[command] = processes(command.process.pid)
        return command, urls

    yield start
    for command, pids in started.items():
        command.close()
        assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []
        assert list(Path("/dev/shm").glob(f"atelier_{command.process.pid}_*")) == []


def test_one_line_tells_what_happened(serve_painter, repository, ask, wait_for):
    command, urls = serve_painter()
    wait_for(command, "\n")
    assert command.log.startswith(f"atelier serve has the process id {command.process.pid}\n")
    command.process.send_signal(signal.SIGUSR1)
    wait_for(command, f"nothing new in {repository.path}\n")
    repository.publish(2, "red,green,blue")
    command.process.send_signal(signal.SIGUSR1)
    wait_for(command, "reloaded: chooser version 1, palette version 2\n")
    assert ask(urls["grpc"], "red") == "red 2"
    repository.publish(3, "red,green,blue,grey")
    (repository.path / "palette" / "3" / "colours").unlink()
    command.process.send_signal(signal.SIGUSR1)
    wait_for(command, "not start: model 'palette' version 3: Internal: FileNotFoundError")
    assert ask(urls["grpc"], "blue") == "blue 2"
    command.process.send_signal(signal.SIGTERM)
    assert command.end() == 0
    assert command.process.stdout.read() == ""


def test_signals_that_another_thread_takes_are_acted_on(serve_painter, repository, wait_for):
    command, _ = serve_painter()
    threads = [int(thread.name) for thread in Path(f"/proc/{command.process.pid}/task").iterdir()]
    others = set(threads) - {command.process.pid}
    assert others
    for thread in others:
        send_to_thread(command.process.pid, thread, signal.SIGUSR1)
    wait_for(command, f"nothing new in {repository.path}\n")
    for number in (signal.SIGUSR1, signal.SIGTERM):
        send_to_thread(command.process.pid, min(others), number)
    assert command.end() == 0


def test_a_signal_during_the_start_waits_for_its_end(serve_painter, repository, ask, wait_for):
    repository.publish(1, "red,green", gate="loading")
    command, _ = serve_painter(ready=False)
    wait_for(command, "palette loads slowly")
    repository.publish(2, "red,green,blue")
    command.process.send_signal(signal.SIGUSR1)
    repository.open("loading")
    urls = command.ready()
    wait_for(command, "reloaded: chooser version 1, palette version 2")
    assert ask(urls["grpc"], "red") == "red 2"
    command.process.send_signal(signal.SIGTERM)
    assert command.end() == 0


def test_a_signal_during_the_drain_changes_nothing(serve_painter, repository, ask, pool, wait_for):
    command, urls = serve_painter()
    slow = pool.submit(ask, urls["grpc"], "choosing/red")
    until(lambda: repository.is_reached("choosing"))
    repository.publish(2, "red,green,blue")
    command.process.send_signal(signal.SIGTERM)
    wait_for(command, "stopping:")
    command.process.send_signal(signal.SIGUSR1)
    wait_for(command, "reload failed: the server is stopping")
    repository.open("choosing")
    assert slow.result() == "red 1"
    assert command.end() == 0


def test_sigterm_while_a_version_is_tried_out_ends_well(
    serve_painter, repository, ask, pool, wait_for
):
    command, urls = serve_painter()
    repository.publish(2, "red,green,blue", gate="loading")
    command.process.send_signal(signal.SIGUSR1)
    until(lambda: repository.is_reached("loading"))
    slow = pool.submit(ask, urls["grpc"], "choosing/red")
    until(lambda: repository.is_reached("choosing"))
    command.process.send_signal(signal.SIGTERM)
    wait_for(command, "reload failed: the server is stopping")
    repository.open("choosing")
    assert slow.result() == "red 1"
    assert command.end() == 0


def test_sigterm_while_a_model_loads_lets_it_load_and_ends_well(
    serve_painter, repository, ask, pool, wait_for
):
    command, urls = serve_painter()
    repository.publish(2, "red,green,blue", gate="loading")
    repository.open("loading")
    command.process.send_signal(signal.SIGUSR1)
    until(lambda: repository.is_reached("loading_again"))
    slow = pool.submit(ask, urls["grpc"], "choosing/red", "gallery")
    until(lambda: repository.is_reached("choosing"))
    command.process.send_signal(signal.SIGTERM)
    wait_for(command, "stopping:")
    repository.open("loading_again")
    wait_for(command, "reloaded: chooser version 1, palette version 2")
    repository.open("choosing")
    assert slow.result() in ("red 1", "red 2")
    assert command.end() == 0


def test_a_second_sigterm_during_a_reload_stops_at_once(serve_painter, repository, wait_for):
    # The palette never loads, and the first SIGTERM gives it longer than the test waits.
    command, _ = serve_painter("--exit-timeout", 600)
    repository.publish(2, "red,green,blue", gate="loading")
    command.process.send_signal(signal.SIGUSR1)
    until(lambda: repository.is_reached("loading"))
    command.process.send_signal(signal.SIGTERM)
    wait_for(command, "stopping:")
    command.process.send_signal(signal.SIGTERM)
    assert command.end() == 128 + signal.SIGTERM


def test_nothing_is_left_of_a_launcher_killed_during_a_reload(
    serve_painter, repository, processes, wait_for
):
    command, _ = serve_painter()
    repository.publish(2, "red,green,blue", gate="loading")
    command.process.send_signal(signal.SIGUSR1)
    until(lambda: repository.is_reached("loading"))
    pids = processes(command.process.pid)
    os.kill(command.process.pid, signal.SIGKILL)
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


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

    def wait(self, timeout):
        for count in (1, 2):
            signal.raise_signal(signal.SIGUSR1)
            self.until(lambda count=count: self.reloads >= count)


@pytest.fixture
def unreliable(monkeypatch):
    """Has `atelier serve` in this process serve with `Unreliable`."""
    handled = (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in handled}
    monkeypatch.setattr(Unreliable, "until", staticmethod(until), raising=False)
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
