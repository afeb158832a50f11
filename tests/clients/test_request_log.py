"""A line for each request, where somebody asks for it."""

import json
import logging
import re
from datetime import datetime

import grpc
import pytest

from atelier import InvalidRequest
from atelier._cli.root import run
from atelier._request_log import LOGGER


@pytest.fixture(autouse=True)
def _logger_as_it_was():
    before = LOGGER.handlers[:], LOGGER.level, LOGGER.propagate
    yield
    LOGGER.handlers[:], LOGGER.propagate = before[0], before[2]
    LOGGER.setLevel(before[1])


@pytest.fixture
def photo(tmp_path, monkeypatch, picture):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photo.jpeg").write_bytes(picture("jpeg"))
    return tmp_path / "photo.jpeg"


STYLIZE = ["stylize", "photo.jpeg", "--style", "udnie"]


def test_nothing_is_logged_unless_it_is_asked_for(server, photo, capsys):
    assert run([*STYLIZE, "--url", server.url]) == 0
    assert capsys.readouterr().err == ""


def test_a_line_of_text(server, photo, capsys):
    assert run([*STYLIZE, "--url", server.url, "--log", "text"]) == 0
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d\.\d{3} method=ModelInfer model=stylize size=20x16 style=udnie "
        r"milliseconds=\d+\.\d result=OK request_id=[0-9a-f]+\n",
        capsys.readouterr().err,
    )


def test_a_line_names_the_version_that_was_asked_for(server, photo, capsys):
    assert run([*STYLIZE, "--url", server.url, "--log=text", "--network-version", "2"]) == 0
    assert " model=stylize version=2 " in capsys.readouterr().err
    assert server.requests[-1].parameters["network_version"].int64_param == 2


def test_a_line_of_json_for_each_attempt(server, clock, photo, capsys):
    server.script = [(grpc.StatusCode.UNAVAILABLE, "Server is stopping")]
    assert run([*STYLIZE, "--url", server.url, "--log", "json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["result"] for line in lines] == ["UNAVAILABLE", "OK"]
    for line in lines:
        assert (line["style"], line["size"], line["model"]) == ("udnie", "20x16", "stylize")
        assert line["request_id"] == server.requests[-1].id
        assert line["milliseconds"] >= 0
        assert datetime.fromisoformat(line["time"]).tzinfo is not None


def test_both_clients_log_to_the_logger_of_the_library(server, ask, picture, caplog):
    caplog.set_level(logging.INFO, "atelier")
    ask(server.url, "styles")
    server.script = [(grpc.StatusCode.INVALID_ARGUMENT, "the JPEG image is cut off")]
    with pytest.raises(InvalidRequest):
        ask(server.url, "stylize_encoded", b"\xff\xd8\xff", "udnie")
    fields = [record.request for record in caplog.records]
    assert [each["method"] for each in fields] == ["ModelConfig", "ModelInfer"]
    assert [each["result"] for each in fields] == ["OK", "INVALID_ARGUMENT"]
    assert fields[1]["size"] == ""
