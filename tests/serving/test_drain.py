"""What the supervisor asks of Triton before it ends it."""

import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from atelier_serving.process import SupervisedProcess
from atelier_supervisor.drain import Drain
from atelier_supervisor.model_control import ModelControl
from fakes.waiting import HANG_SECONDS


@pytest.fixture
def triton():
    """A server with one ensemble and one model, which unloads if `unloads` is set."""

    class Handler(BaseHTTPRequestHandler):
        unloads = True
        state = "READY"

        def do_GET(self):
            if self.path == "/v2/models/stats":
                stats = [{"name": name, "version": "1"} for name in ("painter", "network")]
                return self.answer(200, {"model_stats": stats})
            steps = {"ensemble_scheduling": {"step": [{"model_name": "network"}]}}
            return self.answer(200, steps if "/painter/" in self.path else {})

        def do_POST(self):
            assert self.headers["closed"] == "secret"
            if self.path.endswith("/index"):
                painter = {"name": "painter", "state": Handler.state}
                return self.answer(200, [painter, {"name": "network", "state": "READY"}])
            assert self.path == "/v2/repository/models/painter/unload"
            if Handler.unloads:
                Handler.state = "UNLOADING"
            return self.answer(200 if Handler.unloads else 400, {})

        def answer(self, status, content):
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        Handler.address = f"127.0.0.1:{server.server_port}"
        yield Handler
        server.shutdown()
        thread.join()


def test_it_lasts_until_the_ensembles_are_gone(triton):
    drain = Drain(ModelControl(triton.address, {"closed": "secret"}))
    drain.begin()
    assert not drain.is_over()
    triton.state = "UNAVAILABLE"
    assert drain.is_over()


def test_a_server_that_does_not_unload_is_not_waited_for(triton):
    triton.unloads = False
    drain = Drain(ModelControl(triton.address, {"closed": "secret"}))
    drain.begin()
    assert drain.is_over()


def test_a_server_that_is_not_there_is_not_waited_for():
    drain = Drain(ModelControl("127.0.0.1:1", {"closed": "secret"}))
    drain.begin()
    assert drain.is_over()


def test_an_ensemble_that_never_goes_is_not_waited_for_while_no_model_works(triton, tmp_path):
    # The exit time-out is longer than the test waits.
    process = SupervisedProcess(
        ["sleep", "600"],
        environment=dict(os.environ),
        directory=tmp_path,
        shm_prefix=f"atelier_test_{os.getpid()}_",
        exit_timeout=600,
        http_address=triton.address,
        headers={"closed": "secret"},
        log=lambda line: None,
    )
    process.restart_on_failure()
    process.terminate()
    assert process.wait(HANG_SECONDS) == 0
    assert triton.state == "UNLOADING"
