"""What is new in the repository goes live while requests come in."""

import os
import shutil
import time
import urllib.request

import pytest
from tritonclient.utils import InferenceServerException

from atelier_serving import TritonServer, repositories

LATE = 1.0
"""Seconds by which a busy machine may hand an answer to a client too late."""


@pytest.mark.parametrize("colours", ["green,red", "blue,green,red"])
def test_a_new_version_goes_live_and_nobody_gets_a_wrong_answer(repository, watch, colours):
    """With the old weights, "red" would be painted green by the new palette, or not at all."""
    with TritonServer(repository.path) as server:
        painter, gallery = (
            watch(server.grpc_url, model, "red") for model in ("painter", "gallery")
        )
        bystander = watch(server.grpc_url, "bystander", "any")
        for seen in (painter, gallery, bystander):
            seen.wait()
        repository.publish(2, colours)
        begun = time.monotonic()
        reload = server.reload()
        ended = time.monotonic()
        for seen in (painter, gallery, bystander):
            seen.wait()
        watch.stop()
    assert str(reload).startswith("reloaded: palette version 2; painter, gallery were closed for ")
    assert 0 < reload.seconds_closed <= ended - begun
    for seen in (painter, gallery):
        assert seen.troubles == []
        before = [answer for when, answer in seen.answers if when < begun]
        after = [answer for when, answer in seen.answers if when > ended]
        assert set(before) == {"red 1"}
        assert set(after) == {"red 2"}
        assert {answer for _, answer in seen.answers} == {"red 1", "red 2"}
        assert seen.refused
        assert begun < min(seen.refused)
        assert max(seen.refused) < ended + LATE
        assert max(seen.refused) - min(seen.refused) < reload.seconds_closed + LATE
    assert bystander.troubles == bystander.refused == []
    assert {answer for _, answer in bystander.answers} == {"any"}


def test_where_nothing_is_new_nothing_is_done(repository, watch):
    with TritonServer(repository.path) as server:
        seen = watch(server.grpc_url, "painter", "red")
        seen.wait()
        begun = time.monotonic()
        reload = server.reload()
        assert time.monotonic() - begun < 1
        watch.stop()
    assert str(reload) == f"nothing new in {repository.path}"
    assert not reload.loaded
    assert seen.refused == seen.troubles == []


def test_a_model_outside_of_ensembles_is_swapped_without_a_gap(repository, watch):
    repository.write_echo("plain")
    with TritonServer(repository.path) as server:
        seen = watch(server.grpc_url, "plain", "red")
        seen.wait()
        repository.write_echo("plain", version=2, suffix="dish")
        reload = server.reload()
        seen.wait()
        watch.stop()
    assert str(reload) == "reloaded: plain version 2"
    assert seen.refused == seen.troubles == []
    answers = [answer for _, answer in seen.answers]
    assert (answers[0], answers[-1]) == ("red", "reddish")


def test_new_models_are_served_and_removed_ones_are_not(repository, ask):
    with TritonServer(repository.path) as server:
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


def test_what_changed_in_place_is_loaded_also_if_its_files_are_older(repository, ask):
    with TritonServer(repository.path) as server:
        repository.write_echo("other", suffix="dish")
        for path in (repository.path / "other", *(repository.path / "other").rglob("*")):
            os.utime(path, (0, 0))
        assert server.reload().loaded == {"other": [1]}
        assert ask(server.grpc_url, "red", "bystander") == "reddish"


def test_a_changed_ensemble_is_loaded(repository, ask):
    with TritonServer(repository.path) as server:
        repository.write_echo("shade", suffix="dish")
        repository.write_ensemble("bystander", "shade")
        assert server.reload().loaded == {"bystander": [1], "shade": [1]}
        assert ask(server.grpc_url, "red", "bystander") == "reddish"


def test_what_is_published_while_models_load_is_taken_too(repository, ask):
    with TritonServer(repository.path, log=lambda line: publish(line)) as server:

        def publish(line):
            if line == "palette loads slowly":
                repository.publish(3, "blue,green,red")

        repository.publish(2, "green,red", seconds="0.5")
        assert server.reload().loaded == {"palette": [3]}
        assert ask(server.grpc_url, "red") == "red 3"
        assert not server.reload().loaded


def test_what_was_removed_is_no_trouble_to_what_is_published_while_models_load(repository, ask):
    with TritonServer(repository.path, log=lambda line: publish(line)) as server:

        def publish(line):
            if line == "palette loads slowly":
                repository.publish(3, "blue,green,red")

        for model in ("bystander", "other"):
            shutil.rmtree(repository.path / model)
        repository.publish(2, "green,red", seconds="0.5")
        reload = server.reload()
        assert reload.loaded == {"palette": [3]}
        assert reload.removed == ["bystander", "other"]
        assert ask(server.grpc_url, "red") == "red 3"
        for model in ("bystander", "other"):
            with pytest.raises(InferenceServerException, match="unknown model"):
                ask(server.grpc_url, "red", model)


def test_where_changes_cannot_be_seen_everything_is_looked_at(repository, ask, monkeypatch):
    monkeypatch.setattr(repositories, "contents", lambda paths: None)
    with TritonServer(repository.path) as server:
        for version, colours in ((2, "green,red"), (3, "blue,green,red")):
            repository.publish(version, colours)
            reload = server.reload()
            assert reload.loaded["palette"] == [version]
            assert ask(server.grpc_url, "red") == f"red {version}"
    assert reload.loaded.keys() == {path.name for path in repository.path.iterdir()}


def test_the_server_stays_ready(repository):
    with TritonServer(repository.path) as server:
        repository.publish(2, "green,red")
        server.reload()
        # Triton is still at the unloading of version 1, which makes no difference to anybody.
        with urllib.request.urlopen(f"http://{server.http_url}/v2/health/ready") as answer:
            assert answer.status == 200


def test_a_server_that_was_not_started_has_nothing_to_reload(repository):
    with pytest.raises(RuntimeError, match="has not been started"):
        TritonServer(repository.path).reload()
