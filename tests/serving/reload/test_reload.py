"""What is new in the repository goes live while requests come in."""

import os
import shutil
import time
import urllib.request

import pytest
from tritonclient.utils import InferenceServerException

from atelier_serving import TritonServer, repositories
from atelier_supervisor.model_control import ModelControl
from fakes.waiting import until

COMPLETE = "--disable-auto-complete-config"


@pytest.mark.parametrize(
    ("colours", "options"), [("green,red", []), ("blue,green,red", [COMPLETE])]
)
def test_a_new_version_goes_live_and_nobody_gets_a_wrong_answer(
    start, repository, watch, pool, colours, options
):
    """With the old weights, "red" would be painted green by the new palette, or not at all."""
    server = start(options=options)
    painter, gallery = (watch(server.grpc_url, model, "red") for model in ("painter", "gallery"))
    bystander = watch(server.grpc_url, "bystander", "any")
    for seen in (painter, gallery, bystander):
        seen.wait()
    repository.publish(2, colours, gate="loading")
    begun = time.monotonic()
    reloading = pool.submit(server.reload)
    until(lambda: painter.refused and gallery.refused)
    bystander.wait()
    repository.open("loading")
    reload = reloading.result()
    ended = time.monotonic()
    for seen in (painter, gallery, bystander):
        seen.wait()
    watch.stop()
    assert str(reload).startswith("reloaded: palette version 2; painter, gallery were closed for ")
    assert 0 < reload.seconds_closed <= ended - begun
    for seen in (painter, gallery):
        assert seen.troubles == []
        before = {answer for _, answered, answer in seen.answers if answered < begun}
        after = {answer for asked, _, answer in seen.answers if asked > ended}
        assert (before, after) == ({"red 1"}, {"red 2"})
        assert {answer for _, _, answer in seen.answers} == {"red 1", "red 2"}
        first_refusal = min(refused for _, refused in seen.refused)
        last_refused = max(asked for asked, _ in seen.refused)
        assert begun < first_refusal
        assert last_refused < ended
        assert last_refused - first_refusal < reload.seconds_closed
    assert bystander.troubles == bystander.refused == []
    assert {answer for _, _, answer in bystander.answers} == {"any"}


def test_where_nothing_is_new_nothing_is_done(start, repository, watch, monkeypatch):
    def touch(self, *arguments, **options):
        raise AssertionError("a model was touched")

    server = start()
    seen = watch(server.grpc_url, "painter", "red")
    seen.wait()
    for method in ("load", "unload"):
        monkeypatch.setattr(ModelControl, method, touch)
    reload = server.reload()
    watch.stop()
    assert str(reload) == f"nothing new in {repository.path}"
    assert not reload.loaded
    assert seen.refused == seen.troubles == []


def test_a_model_outside_of_ensembles_is_swapped_without_a_gap(start, repository, watch):
    repository.write_echo("plain")
    server = start()
    seen = watch(server.grpc_url, "plain", "red")
    seen.wait()
    repository.write_echo("plain", version=2, suffix="dish")
    reload = server.reload()
    seen.wait()
    watch.stop()
    assert str(reload) == "reloaded: plain version 2"
    assert seen.refused == seen.troubles == []
    answers = [answer for _, _, answer in seen.answers]
    assert (answers[0], answers[-1]) == ("red", "reddish")


def test_new_models_are_served_and_removed_ones_are_not(start, repository, ask):
    server = start()
    repository.write_echo("newcomer")
    repository.write_ensemble("show", "newcomer")
    reload = server.reload()
    assert reload.loaded == {"newcomer": [1], "show": [1]}
    assert reload.closed == []
    assert ask(server.grpc_url, "red", "show") == "red"
    for model in ("newcomer", "show"):
        shutil.rmtree(repository.path / model)
    reload = server.reload()
    assert str(reload).startswith("reloaded: newcomer removed, show removed; show was closed")
    for model in ("newcomer", "show"):
        with pytest.raises(InferenceServerException, match="has no available versions"):
            ask(server.grpc_url, "red", model)
    assert ask(server.grpc_url, "red") == "red 1"


def test_what_changed_in_place_is_loaded_also_if_its_files_are_older(start, repository, ask):
    server = start()
    repository.write_echo("other", suffix="dish")
    for path in (repository.path / "other", *(repository.path / "other").rglob("*")):
        os.utime(path, (0, 0))
    assert server.reload().loaded == {"other": [1]}
    assert ask(server.grpc_url, "red", "bystander") == "reddish"


def test_a_changed_ensemble_is_loaded(start, repository, ask):
    server = start()
    repository.write_echo("shade", suffix="dish")
    repository.write_ensemble("bystander", "shade")
    assert server.reload().loaded == {"bystander": [1], "shade": [1]}
    assert ask(server.grpc_url, "red", "bystander") == "reddish"


def test_what_is_published_while_models_load_is_taken_too(start, repository, ask):
    def publish(line):
        if line == "palette loads slowly":
            repository.publish(3, "blue,green,red")
            repository.open("loading")

    server = start(log=publish)

    repository.publish(2, "green,red", gate="loading")
    assert server.reload().loaded == {"palette": [3]}
    assert ask(server.grpc_url, "red") == "red 3"
    assert not server.reload().loaded


def test_what_was_removed_is_no_trouble_to_what_is_published_while_models_load(
    start, repository, ask
):
    def publish(line):
        if line == "palette loads slowly":
            repository.publish(3, "blue,green,red")
            repository.open("loading")

    server = start(log=publish)

    for model in ("bystander", "other"):
        shutil.rmtree(repository.path / model)
    repository.publish(2, "green,red", gate="loading")
    reload = server.reload()
    assert reload.loaded == {"palette": [3]}
    assert reload.removed == ["bystander", "other"]
    assert ask(server.grpc_url, "red") == "red 3"
    for model in ("bystander", "other"):
        with pytest.raises(InferenceServerException, match="unknown model"):
            ask(server.grpc_url, "red", model)


def test_where_changes_cannot_be_seen_everything_is_looked_at(start, repository, ask, monkeypatch):
    monkeypatch.setattr(repositories, "contents", lambda paths: None)
    server = start()
    for version, colours in ((2, "green,red"), (3, "blue,green,red")):
        repository.publish(version, colours)
        reload = server.reload()
        assert reload.loaded["palette"] == [version]
        assert ask(server.grpc_url, "red") == f"red {version}"
    assert reload.loaded.keys() == {path.name for path in repository.path.iterdir()}


def test_the_server_stays_ready(start, repository):
    server = start()
    repository.publish(2, "green,red")
    server.reload()
    # Triton is still at the unloading of version 1, which makes no difference to anybody.
    with urllib.request.urlopen(f"http://{server.http_url}/v2/health/ready") as answer:
        assert answer.status == 200


def test_a_server_that_was_not_started_has_nothing_to_reload(repository):
    with pytest.raises(RuntimeError, match="has not been started"):
        TritonServer(repository.path).reload()
