"""What Triton refuses or leaves unanswered in the midst of a reload keeps nothing closed.

A real Triton cannot be made to, so a stand-in takes its place.
"""

import http.client
import re
import shutil

import pytest

from atelier_serving import ReloadError, reload, repositories, swap
from atelier_serving.reload import Reloader
from atelier_supervisor.model_control import RefusedError

UNANSWERED = (
    RefusedError("not now"),
    TimeoutError("Triton did not answer within 3 s"),
    ConnectionResetError(104, "Connection reset by peer"),
    http.client.RemoteDisconnected("Remote end closed connection without response"),
)


class StandIn:
    """Triton's model control and log, as far as a reload needs them.

    Attributes:
        running: The configurations of the models that are served, by name.
        meanwhile: What happens just before a call such as "load palette" is done; once each.
    """

    lines = 0

    def __init__(self, path):
        self.path = path
        self.running = {}
        self.meanwhile = {}
        for model in path.iterdir():
            self.load(model.name)

    def fail(self, call, error):
        """Has a call fail once."""

        def act():
            raise error

        self.meanwhile[call] = act

    def _begin(self, call):
        self.meanwhile.pop(call, lambda: None)()

    def index(self):
        self._begin("index")
        return [{"name": model.name} for model in self.path.iterdir()]

    def served(self):
        self._begin("served")
        return {model: [1] for model in self.running}

    def config(self, model):
        return self.running[model]

    def load(self, model, config=None, *, to_the_end=False):
        self._begin(f"load {model}")
        self.running[model] = config or self._read(model)

    def unload(self, model):
        self._begin(f"unload {model}")
        self.running.pop(model, None)

    def _read(self, model):
        steps = re.findall('model_name: "(.*?)"', (self.path / model / "config.pbtxt").read_text())
        if not steps:
            return {"backend": "python", "parameters": {}}
        schedule = {"step": [{"model_name": step} for step in steps]}
        return {"backend": "", "parameters": {}, "ensemble_scheduling": schedule}

    def tail_since(self, line):
        return ()


@pytest.fixture
def triton(repository):
    return StandIn(repository.path)


@pytest.fixture
def mount(repository, tmp_path):
    """The way to the repository, which Triton does without."""
    path = tmp_path / "mount"
    path.symlink_to(repository.path)
    return path


@pytest.fixture
def reloader(triton, mount, monkeypatch):
    # The stand-in writes no log to wait for, and has no threads to be spared.
    monkeypatch.setattr(reload, "LOG_SECONDS", 0)
    monkeypatch.setattr(swap, "STAGGER_SECONDS", 0)
    taken = repositories.contents([str(mount)])
    return Reloader(triton, triton, [str(mount)], taken, exit_timeout=1)


@pytest.mark.parametrize("error", UNANSWERED, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(
    "call", ["unload gallery", "unload painter", "load palette", "load chooser"]
)
def test_what_is_not_done_leaves_no_ensemble_closed(triton, reloader, repository, call, error):
    def fail():
        if call.startswith("unload "):  # done and not answered: the worst that can be
            del triton.running[call.removeprefix("unload ")]
        raise error

    before = set(triton.running)
    repository.publish(2, "green,red")
    triton.meanwhile[call] = fail
    with pytest.raises(ReloadError, match=re.escape(str(error))):
        reloader.run()
    assert not triton.meanwhile
    assert triton.running.keys() == before
    assert reloader.run().loaded.keys() == {"palette"}


@pytest.mark.parametrize("error", UNANSWERED, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(
    ("after", "question"),
    [("unload gallery", "index"), ("load palette", "served"), ("load palette", "index")],
)
def test_a_question_without_an_answer_leaves_no_ensemble_closed(
    triton, reloader, repository, after, question, error
):
    def publish():
        repository.publish(3, "blue,green,red")
        triton.fail(question, error)

    before = set(triton.running)
    repository.publish(2, "green,red")
    triton.meanwhile[after] = publish
    with pytest.raises(ReloadError) as told:
        reloader.run()
    assert error.args[-1] in str(told.value)
    assert not triton.meanwhile
    assert triton.running.keys() == before
    assert reloader.run().loaded.keys() == {"palette"}


def test_a_repository_out_of_reach_for_a_moment_leaves_no_ensemble_closed(
    triton, reloader, repository, mount
):
    before = set(triton.running)
    repository.publish(2, "green,red")
    triton.meanwhile["load palette"] = mount.unlink
    with pytest.raises(ReloadError, match=f"^cannot look into the model repository '{mount}': No"):
        reloader.run()
    assert triton.running.keys() == before
    mount.symlink_to(repository.path)
    assert str(reloader.run()) == f"nothing new in {mount}"


@pytest.mark.parametrize("error", UNANSWERED, ids=lambda error: type(error).__name__)
def test_an_ensemble_that_stays_closed_is_told_and_opened_next_time(
    triton, reloader, repository, error
):
    def fail():
        triton.meanwhile["load painter"] = fail
        raise error

    before = set(triton.running)
    repository.publish(2, "green,red")
    triton.meanwhile["load painter"] = fail
    with pytest.raises(ReloadError) as told:
        reloader.run()
    assert str(told.value) == f"model 'painter': {error} - it stays closed"
    assert triton.running.keys() == before - {"painter"}
    triton.meanwhile.clear()
    assert reloader.run().loaded.keys() == {"painter"}
    assert triton.running.keys() == before


def test_a_removed_model_that_was_not_unloaded_is_unloaded_next_time(triton, reloader, repository):
    before = set(triton.running)
    for model in ("bystander", "other"):
        shutil.rmtree(repository.path / model)
    triton.fail("unload other", UNANSWERED[1])
    with pytest.raises(ReloadError, match=r"^model 'other': Triton did not answer"):
        reloader.run()
    assert str(reloader.run()) == "reloaded: other removed"
    assert triton.running.keys() == before - {"bystander", "other"}


def test_a_removed_ensemble_that_comes_back_after_others_failed_is_opened(
    triton, reloader, repository, tmp_path
):
    before = set(triton.running)
    repository.publish(2, "green,red")
    (repository.path / "bystander").rename(tmp_path / "bystander")
    triton.fail("load palette", UNANSWERED[0])
    with pytest.raises(ReloadError, match=r"^model 'palette': not now$"):
        reloader.run()
    assert triton.running.keys() == before - {"bystander"}
    (tmp_path / "bystander").rename(repository.path / "bystander")
    assert reloader.run().loaded.keys() == {"bystander", "palette"}
    assert triton.running.keys() == before
