"""What cannot be loaded is told, and what was served before goes on."""

import shutil
import time
import urllib.request

import pytest
from tritonclient.utils import InferenceServerException

from atelier_serving import ReloadError
from fakes.waiting import until

EXIT_TIMEOUT = 120
STOP_SECONDS = 60
"""Ten times what it takes, and below what the server gives accepted requests, of which are none."""


@pytest.fixture
def server(start):
    """A server of the painter, which must also end well, and in good time."""
    running = start(exit_timeout=EXIT_TIMEOUT)
    yield running
    begun = time.monotonic()
    running.stop()
    assert time.monotonic() - begun < STOP_SECONDS


def is_ready(server):
    with urllib.request.urlopen(f"http://{server.http_url}/v2/health/ready") as answer:
        return answer.status == 200


def test_a_broken_version_leaves_the_one_before(server, repository, ask, watch):
    painter, gallery = (watch(server.grpc_url, model, "red") for model in ("painter", "gallery"))
    for seen in (painter, gallery):
        seen.wait()
    repository.publish(2, "blue,green,red")
    (repository.path / "palette" / "2" / "colours").unlink()
    for _ in range(2):
        with pytest.raises(ReloadError) as error:
            server.reload()
        assert str(error.value).startswith(
            "model 'palette' version 2: Internal: FileNotFoundError: "
        )
        assert len(str(error.value).splitlines()) == 1
        assert ask(server.grpc_url, "green") == "green 1"
        assert ask(server.grpc_url, "green", "gallery") == "green 1"
    assert is_ready(server)
    (repository.path / "palette" / "2" / "colours").write_text("blue,green,red")
    assert server.reload().loaded == {"palette": [2]}
    assert ask(server.grpc_url, "blue") == "blue 2"
    for seen in (painter, gallery):
        seen.wait()
    watch.stop()
    for seen in (painter, gallery):
        assert seen.troubles == []
        assert {answer for _, _, answer in seen.answers} == {"red 1", "red 2"}


def test_models_that_did_load_go_back_with_the_one_that_did_not(server, repository, ask, watch):
    """The palette loads; the chooser does not find its colours' names in the new config.pbtxt."""
    seen = watch(server.grpc_url, "painter", "red")
    seen.wait()
    repository.publish(2, "green,red")
    config = (repository.path / "palette" / "config.pbtxt").read_text()
    (repository.path / "palette" / "config.pbtxt").write_text(
        config.replace('"colours"', '"paints"')
    )
    repository.write_echo("newcomer")
    with pytest.raises(ReloadError, match=r"^model 'chooser' version 1: .*names no colours"):
        server.reload()
    assert ask(server.grpc_url, "red") == "red 1"
    (repository.path / "palette" / "config.pbtxt").write_text(config)
    assert server.reload().loaded == {"newcomer": [1], "palette": [2]}
    assert ask(server.grpc_url, "red") == "red 2"
    seen.wait()
    watch.stop()
    assert seen.troubles == []
    assert {answer for _, _, answer in seen.answers} == {"red 1", "red 2"}


def test_a_version_that_went_back_is_taken_when_only_its_neighbour_was_mended(
    server, repository, ask
):
    repository.publish(2, "green,red")
    repository.write("other", 'backend: "python"\n', {"model.py": "1 / 0\n"}, version=2)
    with pytest.raises(ReloadError, match=r"^model 'other' version 2: .*ZeroDivisionError"):
        server.reload()
    assert ask(server.grpc_url, "red") == "red 1"
    assert ask(server.grpc_url, "red", "bystander") == "red"
    repository.write_echo("other", version=2, suffix="dish")
    assert server.reload().loaded == {"other": [2], "palette": [2]}
    assert ask(server.grpc_url, "red") == "red 2"
    assert ask(server.grpc_url, "red", "bystander") == "reddish"


def test_a_new_model_that_does_not_load_holds_up_no_other(server, repository, ask):
    repository.publish(2, "green,red")
    repository.write("newcomer", 'backend: "python"\n', {"model.py": "1 / 0\n"})
    with pytest.raises(ReloadError, match=r"^model 'newcomer' version 1: .*ZeroDivisionError"):
        server.reload()
    assert ask(server.grpc_url, "red") == "red 2"
    repository.write_echo("newcomer")
    assert server.reload().loaded == {"newcomer": [1]}
    assert ask(server.grpc_url, "red", "newcomer") == "red"


def test_what_breaks_behind_what_was_taken_is_told_and_the_rest_is_taken_later(
    start, repository, ask
):
    """The chooser may have read the names of version 3, and the palette went back to version 2."""

    def publish(line):
        if line == "palette loads slowly" and not (repository.path / "palette" / "3").exists():
            repository.publish(3, "red,green,blue", **{"model.py": "1 / 0\n"})
            repository.open("loading")

    server = start(log=publish)
    repository.publish(2, "green,red", gate="loading")
    repository.write_echo("newcomer")
    with pytest.raises(ReloadError) as error:
        server.reload()
    broken, *closed = str(error.value).splitlines()
    assert broken.startswith("model 'palette' version 3: Internal: ZeroDivisionError")
    assert closed == [
        f"model '{model}': its models may not fit one another - it stays closed"
        for model in ("painter", "gallery")
    ]
    with pytest.raises(InferenceServerException, match="has no available versions"):
        ask(server.grpc_url, "red")
    assert ask(server.grpc_url, "red", "bystander") == "red"
    shutil.rmtree(repository.path / "palette" / "3")
    repository.configure("palette", repository.palette_config("green,red"))
    assert server.reload().loaded.keys() == {"gallery", "newcomer", "painter", "palette"}
    assert ask(server.grpc_url, "red") == ask(server.grpc_url, "red", "gallery") == "red 2"
    assert ask(server.grpc_url, "red", "newcomer") == "red"


def test_a_model_that_changes_at_each_load_keeps_no_ensemble_closed(start, repository, ask):
    repository.write_echo("diary", suffix="dish")
    with (repository.path / "diary" / "1" / "model.py").open("a") as code:
        code.write("import uuid\nfrom pathlib import Path\n")
        code.write("Path(__file__).with_name(uuid.uuid4().hex).touch()\n")
    repository.write_ensemble("bystander", "diary")
    server = start()
    with pytest.raises(ReloadError, match=r"^model 'diary': its files still change after 5 "):
        server.reload()
    assert ask(server.grpc_url, "red", "bystander") == "reddish"


def test_ensembles_that_stay_closed_open_with_models_that_fit(start, repository, ask):
    moved = []

    def move(line):
        if line == "palette loads slowly" and not moved:
            moved.append(repository.path.rename(repository.path.with_name("moved")))
            repository.open("loading")

    server = start(log=move)
    repository.publish(2, "green,red", gate="loading")
    with pytest.raises(ReloadError, match=r"'painter', failed to poll .* - it stays closed"):
        server.reload()
    moved[0].rename(repository.path)
    assert server.reload().loaded == {"gallery": [1], "painter": [1], "palette": [2]}
    assert ask(server.grpc_url, "red", "gallery") == "red 2"


def test_an_ensemble_whose_models_do_not_fit_any_more_stays_closed(server, repository, ask):
    repository.publish(2, "green,red")
    config = (repository.path / "palette" / "config.pbtxt").read_text()
    (repository.path / "palette" / "config.pbtxt").write_text(config.replace("painted", "drawn"))
    with pytest.raises(ReloadError, match=r"^model 'painter': .* - it stays closed\n.*'gallery'"):
        server.reload()
    with pytest.raises(InferenceServerException, match="has no available versions"):
        ask(server.grpc_url, "red")
    (repository.path / "palette" / "config.pbtxt").write_text(config)
    assert server.reload().loaded == {"gallery": [1], "painter": [1], "palette": [2]}
    assert ask(server.grpc_url, "red", "gallery") == "red 2"


def test_a_model_that_broke_in_place_serves_as_it_was(server, repository, ask):
    repository.write_echo("other", suffix="dish")
    (repository.path / "other" / "1" / "model.py").write_text("1 / 0\n")
    with pytest.raises(ReloadError, match=r"^model 'other' version 1: .*ZeroDivisionError"):
        server.reload()
    assert ask(server.grpc_url, "red", "bystander") == "red"


def test_a_config_that_cannot_be_read_is_told_with_its_reason(server, repository, ask):
    repository.configure("palette", "inpt: 1\n")
    with pytest.raises(ReloadError, match=r"^model 'palette': failed to read .*no field named"):
        server.reload()
    assert ask(server.grpc_url, "red") == "red 1"


def test_an_ensemble_that_does_not_fit_its_models_leaves_the_one_before(server, repository, ask):
    repository.write_ensemble("bystander", "palette")
    with pytest.raises(ReloadError, match=r"^model 'bystander': "):
        server.reload()
    assert ask(server.grpc_url, "red", "bystander") == "red"


def test_a_step_that_is_gone_is_told_before_anything_is_closed(server, repository, ask, watch):
    seen = watch(server.grpc_url, "painter", "red")
    seen.wait()
    shutil.rmtree(repository.path / "palette")
    with pytest.raises(ReloadError, match="'painter': its step 'palette' is gone"):
        server.reload()
    watch.stop()
    assert seen.refused == seen.troubles == []
    assert ask(server.grpc_url, "red") == "red 1"
    repository.publish(1, "red,green")


def test_a_repository_that_is_wrong_is_told(server, repository):
    moved = repository.path.rename(repository.path.with_name("moved"))
    with pytest.raises(ReloadError, match=f"cannot look into .*'{repository.path}': No such file"):
        server.reload()
    moved.rename(repository.path)


def test_requests_that_take_too_long_keep_their_models(start, repository, ask, pool, monkeypatch):
    server = start()
    slow = pool.submit(ask, server.grpc_url, "choosing/red")
    until(lambda: repository.is_reached("choosing"))
    repository.publish(2, "green,red")
    with monkeypatch.context() as impatient:
        impatient.setattr(server._reloader, "_exit_timeout", 0.2)
        with pytest.raises(ReloadError, match=r"'painter': .* take longer than 0.2 s"):
            server.reload()
    repository.open("choosing")
    assert slow.result() == "red 1"
    assert ask(server.grpc_url, "red") == "red 1"
    assert server.reload().loaded == {"palette": [2]}


def test_a_server_that_crashed_tells_so(start, repository):
    server = start()
    server.kill()
    server.wait()
    repository.publish(2, "green,red")
    with pytest.raises(ReloadError, match="the server is stopping"):
        server.reload()
