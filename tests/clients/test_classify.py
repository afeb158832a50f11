"""Both clients and the command line ask a scripted server for movements."""

import dataclasses
import json
import socket

import grpc
import numpy as np
import pytest
from PIL import Image

from atelier import Classification, InvalidRequest, Label, ServerFailed
from atelier._cli.contact_sheet import captioned
from atelier._cli.root import run

MOVEMENTS = [b"0.600000:4:impressionism", b"0.300000:6:pointillism", b"0.100000:8:ukiyo_e"]
ERAS = [b"0.900000:1:modern", b"0.100000:0:classical"]
DRAINING = (grpc.StatusCode.UNAVAILABLE, "Server is stopping to serve requests.")


@pytest.fixture
def scripted(server):
    """The scripted server with a classifier."""
    server.classes = {"probabilities": MOVEMENTS, "era_probabilities": ERAS}
    return server


@pytest.fixture
def images(tmp_path, monkeypatch, picture):
    """Three images and a file that is none, in the current directory."""
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two", "three"):
        (tmp_path / f"{name}.jpg").write_bytes(picture("jpeg"))
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    return tmp_path


def test_the_answer_is_labels_by_falling_probability(scripted, ask, jpeg):
    found = ask(scripted.url, "classify", jpeg, top=2)
    assert found == Classification(
        movements=(Label("impressionism", 0.6), Label("pointillism", 0.3)),
        eras=(Label("modern", 0.9), Label("classical", 0.1)),
    )
    assert (found.movement, found.era) == ("impressionism", "modern")
    assert len(ask(scripted.url, "classify", jpeg).movements) == 3
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.movements = ()


def test_the_request_is_what_the_contract_says(scripted, ask, jpeg):
    ask(scripted.url, "classify", jpeg, timeout=10)
    request = scripted.requests[-1]
    assert request.model_name == "classify"
    assert scripted.inputs == {"image": jpeg}
    assert [tensor.name for tensor in request.outputs] == ["probabilities", "era_probabilities"]
    for output in request.outputs:
        assert output.parameters["classification"].int64_param > 1000
    assert set(request.parameters) == {"timeout"}
    assert 9e6 < request.parameters["timeout"].int64_param <= 10e6


@pytest.mark.parametrize("top", [0, -1, -(10**20)])
def test_less_than_one_movement_is_never_asked_for(scripted, ask, jpeg, top):
    with pytest.raises(InvalidRequest, match=f"top {top} is not possible: give 1 or more"):
        ask(scripted.url, "classify", jpeg, top=top)
    assert not scripted.requests


@pytest.mark.parametrize("top", [4, 2**32, 10**20])
def test_more_movements_than_the_server_has_are_refused(scripted, ask, jpeg, top):
    with pytest.raises(InvalidRequest, match=f"top {top} is not possible: give 1 to 3, the number"):
        ask(scripted.url, "classify", jpeg, top=top)
    assert len(scripted.requests) == 1


def test_all_movements(scripted, ask, jpeg):
    found = ask(scripted.url, "classify", jpeg, None)
    assert len(found.movements) == len(scripted.classes["probabilities"])


@pytest.mark.parametrize("top", [2.0, "3"])
def test_what_is_no_number_of_movements(scripted, ask, jpeg, top):
    with pytest.raises(TypeError, match=f"top is a {type(top).__name__}; give a whole number"):
        ask(scripted.url, "classify", jpeg, top=top)
    found = ask(scripted.url, "classify", jpeg, top=np.int64(1))
    assert found.movements == (Label("impressionism", 0.6),)


def test_a_server_without_a_classifier_says_so(server, ask, jpeg):
    with pytest.raises(InvalidRequest, match="unknown model: 'classify'") as caught:
        ask(server.url, "classify", jpeg)
    assert caught.value.code is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    "entry", [b"", b"0.5", b"0.5:4", b"much:4:impressionism", b"0.5:4:\xff", b"\0\0\0\x3f"]
)
def test_answers_that_name_no_label(scripted, ask, jpeg, entry):
    scripted.classes["probabilities"] = [entry]
    with pytest.raises(ServerFailed, match=r"classify answered .*no label with its probability"):
        ask(scripted.url, "classify", jpeg, top=1)


def test_answers_that_are_not_whole(scripted, ask, jpeg, answer):
    scripted.script = [answer(b"another output")]
    with pytest.raises(ServerFailed, match="classify answered without a whole 'probabilities'"):
        ask(scripted.url, "classify", jpeg)
    scripted.classes["era_probabilities"] = []
    with pytest.raises(ServerFailed, match="without a whole 'era_probabilities'"):
        ask(scripted.url, "classify", jpeg)


def test_a_label_may_hold_a_colon(scripted, ask, jpeg):
    scripted.classes["probabilities"] = [b"1.000000:0:op art: late"]
    assert ask(scripted.url, "classify", jpeg, top=1).movement == "op art: late"


def test_what_may_pass_is_tried_again(scripted, ask, jpeg):
    scripted.script = [DRAINING]
    assert ask(scripted.url, "classify", jpeg).movement == "impressionism"
    assert len(scripted.requests) == 2


def test_the_table(scripted, images, capsys):
    assert run(["classify", "two.jpg", "one.jpg", "--url", scripted.url, "--top", "2"]) == 0
    shown = capsys.readouterr().out
    assert shown.index("two.jpg") < shown.index("one.jpg")
    row = next(line for line in shown.splitlines() if "two.jpg" in line)
    assert row.replace("│", " ").split() == ["two.jpg", "impressionism", "60.0", "modern", "90.0"]
    assert "ukiyo_e" not in shown


def test_lines_of_json(scripted, images, capsys):
    assert run(["classify", "two.jpg", "one.jpg", "--url", scripted.url, "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["file"] for line in lines] == ["two.jpg", "one.jpg"]
    assert set(lines[0]) == {"file", "movements", "eras"}
    assert lines[0]["movements"][0] == {"name": "impressionism", "probability": 0.6}
    assert [era["name"] for era in lines[1]["eras"]] == ["modern", "classical"]


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_broken_file_is_named_and_the_others_go_on(scripted, images, capsys, form):
    files = ["one.jpg", "broken.jpg", "missing.jpg", ".", "two.jpg"]
    assert run(["classify", *files, "--url", scripted.url, *form]) == 1
    shown = capsys.readouterr()
    assert "one.jpg" in shown.out
    assert "two.jpg" in shown.out
    assert shown.err.splitlines() == [
        "Error: broken.jpg: not an image in a known format; give a JPEG, PNG or WebP",
        "Error: missing.jpg: No such file or directory",
        "Error: .: Is a directory",
    ]


def test_nothing_found_is_no_table(scripted, images, capsys):
    assert run(["classify", "broken.jpg", "--url", scripted.url]) == 1
    assert capsys.readouterr().out == ""


def test_an_odd_name_is_shown_as_it_is(scripted, images, capsys):
    (images / "one.jpg").rename(images / "[red]one.jpg")
    assert run(["classify", "[red]one.jpg", "--url", scripted.url]) == 0
    assert "[red]one.jpg" in capsys.readouterr().out


def test_what_was_found_is_shown_when_the_server_goes(scripted, images, capsys):
    scripted.script = [None, (grpc.StatusCode.CANCELLED, "gone")]
    assert run(["classify", "one.jpg", "two.jpg", "three.jpg", "--url", scripted.url]) == 3
    shown = capsys.readouterr()
    assert "one.jpg" in shown.out
    assert "gone" in shown.err
    assert shown.err.count("\n") == 1


def test_a_command_line_without_a_classifier_or_a_server(server, images, capsys):
    assert run(["classify", "one.jpg", "two.jpg", "--url", server.url]) == 1
    assert capsys.readouterr().err.count("unknown model: 'classify'") == 1
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"127.0.0.1:{listener.getsockname()[1]}"
        assert run(["classify", "one.jpg", "two.jpg", "--url", url]) == 3


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "Missing argument 'FILES...'"),
        (["one.jpg", "--top", "0"], "0 is not in the range x>=1"),
        (["one.jpg", "--timeout", "0"], "give seconds above 0"),
    ],
)
def test_wrong_usage(scripted, images, capsys, arguments, reason):
    assert run(["classify", "--url", scripted.url, *arguments]) == 2
    assert reason in capsys.readouterr().err
    assert not scripted.requests


def test_the_demo_classifies_what_it_shows(scripted, tmp_path, capsys):
    assert run(["demo", "--url", scripted.url, "--output", str(tmp_path)]) == 0
    assert f"With the movements of each: {tmp_path / 'classified.jpg'}" in capsys.readouterr().out
    asked = [request.model_name for request in scripted.requests]
    paintings = asked.count("stylize")
    assert asked == ["stylize"] * paintings + ["classify"] * (4 + paintings)
    with (
        Image.open(tmp_path / "classified.jpg") as classified,
        Image.open(tmp_path / "contact_sheet.jpg") as sheet,
    ):
        assert classified.size == sheet.size


def test_the_demo_goes_without_a_classifier(server, tmp_path, capsys):
    assert run(["demo", "--url", server.url, "--output", str(tmp_path)]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "classify" in line]
    assert lines == ["No movements: the server does not serve classify."]
    assert (tmp_path / "contact_sheet.jpg").is_file()
    assert not (tmp_path / "classified.jpg").exists()


def test_a_caption_lies_beneath_the_image():
    red = (255, 0, 0)
    cell = np.asarray(captioned(Image.new("RGB", (400, 400), red), ["one 60%", "other 40%"]))
    rows = np.flatnonzero((cell == red).all(axis=2).any(axis=1))
    assert rows.min() == 0
    assert rows.max() == len(cell) - 36 - 1
    dark = np.flatnonzero((cell < 100).all(axis=2).any(axis=1))
    assert dark.min() > rows.max()
