"""What is new in the repository goes live while requests come in, and none of them is refused."""

import shutil
import time
import urllib.request

import pytest
from tritonclient.utils import InferenceServerException

from atelier_serving import TritonServer, repositories
from atelier_supervisor.model_control import ModelControl
from fakes.triton import COMPLETE
from fakes.waiting import until


@pytest.mark.parametrize("options", [[], [COMPLETE]])
def test_a_new_version_goes_live_and_every_request_is_answered(
    start, repository, ask, watch, pool, options
):
    server = start(options=options)
    painter, gallery = (watch(server.grpc_url, model, "red") for model in ("painter", "gallery"))
    bystander = watch(server.grpc_url, "bystander", "any")
    everybody = (painter, gallery, bystander)
    for seen in everybody:
        seen.wait()
    repository.publish(2, "red,green,blue", gate="loading")
    begun = time.monotonic()
    reloading = pool.submit(server.reload)
    # First it is tried out, then the server itself loads it.
    for gate in ("loading", "loading_again"):
        until(lambda gate=gate: repository.is_reached(gate))
        for seen in everybody:
            seen.wait()
        repository.open(gate)
    reload = reloading.result()
    ended = time.monotonic()
    for seen in everybody:
        seen.wait()
    watch.stop()
    assert str(reload) == "reloaded: chooser version 1, palette version 2"
    assert ask(server.grpc_url, "blue") == "blue 2"
    for seen in everybody:
        assert seen.troubles == []
    for seen in (painter, gallery):
        before = {answer for _, answered, answer in seen.answers if answered < begun}
        after = {answer for asked, _, answer in seen.answers if asked > ended}
        assert (before, after) == ({"red 1"}, {"red 2"})
        assert {answer for _, _, answer in seen.answers} == {"red 1", "red 2"}
    assert {answer for _, _, answer in bystander.answers} == {"any"}


def test_requests_that_were_accepted_before_are_answered(start, repository, ask, pool):
    server = start()
    slow = pool.submit(ask, server.grpc_url, "choosing/red", "gallery")
    until(lambda: repository.is_reached("choosing"))
    repository.publish(2, "red,green,blue")
    assert server.reload().loaded == {"chooser": [1], "palette": [2]}
    assert ask(server.grpc_url, "blue", "gallery") == "blue 2"
    repository.open("choosing")
    assert slow.result() in ("red 1", "red 2")


def test_where_nothing_is_new_nothing_is_done(start, repository, monkeypatch):
    def touch(self, *arguments, **options):
        raise AssertionError("a model was touched")

    server = start()
    for kind, method in ((ModelControl, "load"), (ModelControl, "unload"), (TritonServer, "start")):
        monkeypatch.setattr(kind, method, touch)
    reload = server.reload()
    assert str(reload) == f"nothing new in {repository.path}"
    assert not reload.loaded


def test_new_models_are_served_and_removed_ones_are_not(start, repository, ask):
    server = start()
    repository.write_echo("newcomer")
    repository.write_ensemble("show", "newcomer")
    assert server.reload().loaded == {"newcomer": [1], "show": [1]}
    assert ask(server.grpc_url, "red", "show") == "red"
    for model in ("newcomer", "show"):
        shutil.rmtree(repository.path / model)
    assert str(server.reload()) == "reloaded: newcomer removed, show removed"
    for model in ("newcomer", "show"):
        with pytest.raises(InferenceServerException, match="has no available versions"):
            ask(server.grpc_url, "red", model)
    assert ask(server.grpc_url, "red") == "red 1"


def test_a_version_that_was_removed_gives_way_to_the_one_before(start, repository, ask, watch):
    repository.publish(2, "red,green,blue")
    server = start()
    seen = watch(server.grpc_url, "painter", "red")
    seen.wait()
    shutil.rmtree(repository.path / "palette" / "2")
    assert server.reload().loaded == {"palette": [1]}
    seen.wait()
    watch.stop()
    assert seen.troubles == []
    assert ask(server.grpc_url, "red") == "red 1"


def test_a_model_that_is_linked_to_older_files_is_loaded(start, repository, ask, watch):
    link = repository.path / "other"
    folders = {}
    for suffix in ("dish", "der"):
        shutil.rmtree(link)
        repository.write_echo("other", suffix=suffix)
        folders[suffix] = link.rename(repository.path.with_name(suffix))
        link.mkdir()
    link.rmdir()
    link.symlink_to(folders["der"])
    server = start()
    seen = watch(server.grpc_url, "bystander", "red")
    seen.wait()
    for suffix in ("dish", "der", "dish"):
        link.unlink()
        link.symlink_to(folders[suffix])
        assert server.reload().loaded == {"other": [1]}
        assert ask(server.grpc_url, "red", "bystander") == f"red{suffix}"
    watch.stop()
    assert seen.troubles == []


def test_a_changed_ensemble_is_loaded(start, repository, ask):
    server = start()
    repository.write_echo("shade", suffix="dish")
    repository.write_ensemble("bystander", "shade")
    assert server.reload().loaded == {"bystander": [1], "shade": [1]}
    assert ask(server.grpc_url, "red", "bystander") == "reddish"


def test_where_changes_cannot_be_seen_everything_is_looked_at(start, repository, ask, monkeypatch):
    monkeypatch.setattr(repositories, "contents", lambda paths: None)
    server = start()
    for version in (2, 3):
        repository.publish(version, "red,green,blue")
        reload = server.reload()
        assert reload.loaded["palette"] == [version]
        assert ask(server.grpc_url, "red") == f"red {version}"
    assert reload.loaded.keys() == {path.name for path in repository.path.iterdir()}


def test_the_server_stays_ready(start, repository):
    server = start(http_port=0)
    repository.publish(2, "red,green,blue")
    server.reload()
    # Triton is still at the unloading of version 1, which makes no difference to anybody.
    with urllib.request.urlopen(f"http://{server.http_url}/v2/health/ready") as answer:
        assert answer.status == 200


def test_a_server_that_was_not_started_has_nothing_to_reload(repository):
    with pytest.raises(RuntimeError, match="has not been started"):
        TritonServer(repository.path).reload()
