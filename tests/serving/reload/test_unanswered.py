"""What Triton refuses or leaves unanswered in the midst of a reload is told, and done next time.

A real Triton cannot be made to, so a stand-in takes its place.
"""

import contextlib
import http.client
import re
import shutil

import pytest

from atelier_serving import ReloadError, repositories
from atelier_serving.reload import Reloader
from atelier_supervisor.model_control import RefusedError

UNANSWERED = (
    RefusedError("not now"),
    TimeoutError("Triton did not answer within 3 s"),
    ConnectionResetError(104, "Connection reset by peer"),
    http.client.RemoteDisconnected("Remote end closed connection without response"),
)


class StandIn:
    """Triton's model control, as far as a reload needs it.

    Attributes:
        running: The configurations of the models that are served, by name.
        failing: What a call such as "load palette" raises; once each.
        calls: The calls that changed something, in order.
    """

    def __init__(self, path):
        self.path = path
        self.running = {model.name: self.read(model.name) for model in path.iterdir()}
        self.failing = {}
        self.calls = []

    def begin(self, call):
        if error := self.failing.pop(call, None):
            raise error

    def served(self):
        self.begin("served")
        return {model: [1] for model in self.running}

    def config(self, model):
        self.begin(f"config {model}")
        return self.running[model]

    def load(self, model, config=None):
        self.begin(f"load {model}")
        self.calls.append(f"load {model}")
        self.running[model] = config or self.read(model)

    def unload(self, model):
        self.begin(f"unload {model}")
        self.calls.append(f"unload {model}")
        del self.running[model]

    def read(self, model):
        steps = re.findall('model_name: "(.*?)"', (self.path / model / "config.pbtxt").read_text())
        config = {"max_batch_size": 0, "input": [], "output": [], "parameters": {}}
        if steps:
            config["ensemble_scheduling"] = {"step": [{"model_name": step} for step in steps]}
        return config


@pytest.fixture
def triton(repository):
    return StandIn(repository.path)


@pytest.fixture
def stopping():
    """Not empty once the server is to stop."""
    return []


@pytest.fixture
def reloader(triton, repository, stopping):
    @contextlib.contextmanager
    def try_out():
        yield StandIn(repository.path)

    paths = [str(repository.path)]
    taken = repositories.contents(paths)
    return Reloader(triton, try_out, paths, taken, lambda: bool(stopping))


@pytest.mark.parametrize("error", UNANSWERED, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(
    "call", ["served", "config painter", "load chooser", "load palette", "unload other"]
)
def test_what_is_not_done_is_told_and_done_next_time(triton, reloader, repository, call, error):
    repository.publish(2, "red,green,blue")
    for model in ("bystander", "other"):
        shutil.rmtree(repository.path / model)
    triton.failing[call] = error
    with pytest.raises(ReloadError, match=re.escape(repr(error))):
        reloader.run()
    assert not triton.failing
    assert reloader.run().loaded.keys() == {"chooser", "palette"}
    assert triton.running.keys() == {"chooser", "gallery", "painter", "palette"}
    assert str(reloader.run()) == f"nothing new in {repository.path}"


def test_ensembles_come_behind_their_models_and_go_before_them(triton, reloader, repository):
    repository.write_echo("zebra")
    repository.write_ensemble("antelope", "zebra")
    reloader.run()
    for model in ("antelope", "zebra"):
        shutil.rmtree(repository.path / model)
    reloader.run()
    assert triton.calls == ["load zebra", "load antelope", "unload antelope", "unload zebra"]


def test_a_model_that_triton_dropped_is_told_and_loaded_next_time(triton, reloader, repository):
    def load(model, config=None):
        del triton.running["painter"]  # as if the new palette did not fit it
        del triton.load

    triton.load = load
    repository.write_echo("other", suffix="dish")
    with pytest.raises(ReloadError, match=r"^Triton does not serve painter any more$"):
        reloader.run()
    assert reloader.run().loaded.keys() == {"other", "painter"}


def test_nothing_more_is_loaded_once_the_server_is_to_stop(triton, reloader, repository, stopping):
    load = triton.load

    def load_one(*arguments):
        load(*arguments)
        stopping.append(True)

    triton.load = load_one
    repository.publish(2, "red,green,blue")
    with pytest.raises(ReloadError, match=r"^the server is stopping$"):
        reloader.run()
    assert triton.calls == ["load chooser"]
