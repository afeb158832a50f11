"""What cannot be loaded is told, nothing is changed, and every request is answered meanwhile."""

import shutil
import time
import urllib.request

import pytest

from atelier_serving import ReloadError
from fakes.waiting import until

EXIT_TIMEOUT = 600
STOP_SECONDS = 300
"""Far more than it takes, and below what the server gives accepted requests, of which are none."""


@pytest.fixture
def server(start):
    """A server of the painter, which must also end well, and in good time."""
    running = start(exit_timeout=EXIT_TIMEOUT, http_port=0)
    yield running
    begun = time.monotonic()
    running.stop()
    assert time.monotonic() - begun < STOP_SECONDS


@pytest.fixture
def seen(server, watch):
    """What clients of all ensembles saw: every answer is the old one, or the new one later on."""
    models = ("painter", "gallery", "bystander")
    watches = [watch(server.grpc_url, model, "red") for model in models]
    for each in watches:
        each.wait()
    yield watches
    for each in watches:
        each.wait()
    watch.stop()
    assert [each.troubles for each in watches] == [[], [], []]


@pytest.fixture
def refused(server, seen):
    """Reloads, which must fail in one line and change nothing that is served; returns the line."""

    def reload():
        before = server._control().served()
        with pytest.raises(ReloadError) as error:
            server.reload()
        assert server._control().served() == before
        for each in seen:
            each.wait()
        with urllib.request.urlopen(f"http://{server.http_url}/v2/health/ready") as answer:
            assert answer.status == 200
        assert len(str(error.value).splitlines()) == 1
        return str(error.value)

    return reload


TRIED = "nothing was changed: tried out beforehand, Triton did not start: "


def test_a_broken_version_leaves_the_one_before(server, repository, ask, refused):
    repository.publish(2, "red,green,blue")
    (repository.path / "palette" / "2" / "colours").unlink()
    for _ in range(2):
        told = refused()
        assert told.startswith(f"{TRIED}model 'palette' version 2: Internal: FileNotFoundError: ")
    (repository.path / "palette" / "2" / "colours").write_text("red,green,blue")
    assert server.reload().loaded == {"chooser": [1], "palette": [2]}
    assert ask(server.grpc_url, "blue") == "blue 2"


def test_all_is_taken_or_nothing(server, repository, ask, refused):
    repository.publish(2, "red,green,blue")
    repository.write("newcomer", 'backend: "python"\n', {"model.py": "1 / 0\n"})
    assert refused().startswith(f"{TRIED}model 'newcomer' version 1: Internal: ZeroDivisionError")
    assert ask(server.grpc_url, "red") == "red 1"
    repository.write_echo("newcomer")
    assert server.reload().loaded == {"chooser": [1], "newcomer": [1], "palette": [2]}
    assert ask(server.grpc_url, "red", "newcomer") == "red"


def test_a_model_that_broke_in_place_serves_as_it_was(repository, refused):
    (repository.path / "other" / "1" / "model.py").write_text("1 / 0\n")
    assert refused().startswith(f"{TRIED}model 'other' version 1: Internal: ZeroDivisionError")


def test_a_config_that_cannot_be_read_is_told_with_its_reason(repository, refused):
    repository.configure("palette", "inpt: 1\n")
    told = refused()
    assert told.startswith(f"{TRIED}model 'palette': failed to read ")
    assert "no field named" in told


def rename_output(repository):
    """Publishes a palette that paints `drawn`."""
    repository.publish(2, "red,green,blue")
    for path in (repository.path / "palette/config.pbtxt", repository.path / "palette/2/model.py"):
        path.write_text(path.read_text().replace('"painted"', '"drawn"'))


def test_a_model_that_does_not_fit_its_ensemble_is_not_taken(server, repository, ask, refused):
    rename_output(repository)
    assert "non-existing output painted in model palette" in refused()
    repository.publish(2, "red,green,blue")
    assert server.reload().loaded == {"chooser": [1], "palette": [2]}
    assert ask(server.grpc_url, "red", "gallery") == "red 2"


def test_a_model_that_changes_together_with_its_ensemble_needs_a_restart(
    start, repository, ask, refused
):
    rename_output(repository)
    config = repository.path / "painter" / "config.pbtxt"
    config.write_text(config.read_text().replace('"painted" value', '"drawn" value'))
    assert refused() == (
        "nothing was changed: model 'palette' has other inputs or outputs than those that "
        "'painter' is served with; restart the server to take it"
    )
    assert ask(start().grpc_url, "red", "gallery") == "red 2"


def test_an_ensemble_that_does_not_fit_its_models_leaves_the_one_before(repository, refused):
    repository.write_ensemble("bystander", "palette")
    assert "in ensemble bystander" in refused()


def test_a_step_that_is_gone_leaves_its_ensemble(repository, refused):
    shutil.rmtree(repository.path / "palette")
    assert "palette" in refused()


def test_a_repository_that_is_wrong_is_told(repository, refused):
    moved = repository.path.rename(repository.path.with_name("moved"))
    told = refused()
    moved.rename(repository.path)
    assert f"cannot look into the model repository '{repository.path}': No such file" in told


def test_what_breaks_after_it_was_tried_out_leaves_the_one_before(
    server, repository, ask, refused, pool
):
    repository.publish(2, "red,green,blue", gate="loading")
    reloading = pool.submit(refused)
    until(lambda: repository.is_reached("loading"))
    code = repository.path / "palette" / "2" / "model.py"
    working = code.read_text()
    code.write_text("1 / 0\n")
    repository.open("loading")
    told = reloading.result()
    assert "load failed for model 'palette': version 2" in told
    assert "ZeroDivisionError" in told
    code.write_text(working)
    code.with_name("gate").unlink()
    assert server.reload().loaded == {"chooser": [1], "palette": [2]}
    assert ask(server.grpc_url, "blue") == "blue 2"


def test_a_server_that_crashed_tells_so(start, repository):
    server = start()
    server.kill()
    server.wait()
    repository.publish(2, "red,green,blue")
    with pytest.raises(ReloadError, match="the server is stopping"):
        server.reload()
