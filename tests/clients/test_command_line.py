"""The command line against the scripted server, and its exit codes."""

import errno
import os
import signal
import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import click
import grpc
import pytest
from PIL import Image

from atelier import AtelierError, DeadlineExceeded, __version__, _extras
from atelier._cli import root
from atelier._cli.root import run

WITHOUT = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {module!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
sys.argv = ["atelier", *{arguments!r}]
from atelier.__main__ import main
main()
"""


@pytest.fixture
def photo(tmp_path, monkeypatch, picture):
    """A photograph in the current directory."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "photo.jpeg"
    path.write_bytes(picture("jpeg"))
    return path


def run_without(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the command line in a Python that lacks a module."""
    script = WITHOUT.format(module=module, arguments=arguments)
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)


def test_stylize_writes_beside_where_one_stands(server, photo, capsys, picture):
    code = run(["stylize", "photo.jpeg", "--style", "a:0.7, b:0.3", "--url", server.url])
    assert code == 0
    painting = photo.with_name("photo-a-0.7+b-0.3.jpg")
    assert capsys.readouterr().out == f"{painting.name}\n"
    assert painting.read_bytes() == picture("jpeg")
    assert server.inputs["style"] == b"a:0.7, b:0.3"
    assert sorted(path.name for path in photo.parent.iterdir()) == [
        "photo-a-0.7+b-0.3.jpg",
        "photo.jpeg",
    ]


@pytest.mark.parametrize(
    ("arguments", "encoding"),
    [
        (["-o", "out.png"], "png"),
        (["-o", "out.JPG"], "jpeg"),
        (["-o", "out.webp", "--format", "webp"], "webp"),
        (["-o", "out", "--format", "png"], "png"),
        (["--format", "webp"], "webp"),
    ],
)
def test_the_suffix_or_the_option_chooses_the_format(server, photo, capsys, arguments, encoding):
    assert run(["stylize", str(photo), "--style", "udnie", "--url", server.url, *arguments]) == 0
    assert server.requests[-1].parameters["format"].string_param == encoding
    with Image.open(capsys.readouterr().out.strip()) as painting:
        assert painting.format == encoding.upper()


def test_quality_timeout_and_url_from_the_environment(server, clock, photo, monkeypatch):
    monkeypatch.setenv("ATELIER_URL", server.url)
    assert run(["stylize", str(photo), "--style", "x", "--quality", "80", "--timeout", "7"]) == 0
    parameters = server.requests[-1].parameters
    assert parameters["quality"].int64_param == 80
    assert parameters["timeout"].int64_param == 7e6


def test_wishes_reach_the_server_and_not_the_files_name(server, photo, capsys):
    wishes = ["--strength", "0.7", "--keep-colors", "--longest-side", "1024"]
    assert run(["stylize", "photo.jpeg", "--style", "udnie", "--url", server.url, *wishes]) == 0
    assert capsys.readouterr().out == "photo-udnie.jpg\n"
    parameters = server.requests[-1].parameters
    assert parameters["strength"].double_param == 0.7
    assert parameters["keep_colors"].bool_param is True
    assert parameters["longest_side"].int64_param == 1024


def test_no_wishes_are_not_sent(server, photo):
    assert run(["stylize", "photo.jpeg", "--style", "udnie", "--url", server.url]) == 0
    assert set(server.requests[-1].parameters) == {"timeout"}


@pytest.mark.parametrize(
    ("missing", "reason"),
    [
        ("missing.jpeg", "there is no file 'missing.jpeg' in {here}"),
        ("/no/where.jpeg", "there is no file '/no/where.jpeg'"),
        (".", "'.' is a directory: give an image in it"),
        ("locked.jpeg", "locked.jpeg: Permission denied"),
    ],
)
def test_a_photograph_that_cannot_be_read(server, photo, capsys, monkeypatch, missing, reason):
    def locked(path: Path) -> bytes:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    (photo.parent / "locked.jpeg").write_bytes(photo.read_bytes())
    # Whoever may read everything runs the tests too.
    monkeypatch.setattr(Path, "read_bytes", locked)
    arguments = ["-o", "out.jpeg", "--style", "x", "--url", server.url]
    assert run(["stylize", missing, *arguments]) == 1
    assert capsys.readouterr().err == f"Error: {reason.format(here=photo.parent)}\n"
    assert not server.requests


def test_streams(server, photo, picture):
    command = [sys.executable, "-m", "atelier", "stylize", "-", "--style", "x", "--url", server.url]
    for arguments in (command, [*command, "-o", "-"]):
        done = subprocess.run(arguments, input=picture("png"), capture_output=True, check=True)
        assert done.stdout == picture("jpeg")
        assert server.inputs["image"] == picture("png")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["photo.jpeg", "-o", "photo.jpeg"], "is the image itself"),
        (["photo.jpeg", "-o", "link.jpg"], "is the image itself"),
        (["photo.jpeg", "-o", "out.gif"], "no format '.gif'"),
        (["photo.jpeg", "-o", "out.png", "--format", "jpeg"], "do not go together"),
        (["photo.jpeg", "-o", "no/where.png"], "no directory 'no'"),
        (["photo.jpeg", "--quality", "101"], "101"),
        (["photo.jpeg", "--strength", "2.1"], "2.1"),
        (["photo.jpeg", "--strength", "much"], "much"),
        (["photo.jpeg", "--longest-side", "15"], "15"),
        (["photo.jpeg", "--longest-side", "64.5"], "64.5"),
        (["photo.jpeg", "--timeout", "0"], "timeout 0.0: give seconds above 0"),
        (["photo.jpeg", "--timeout", "inf"], "timeout inf: give seconds above 0"),
        (["photo.jpeg", "--timeout", "nan"], "timeout nan: give seconds above 0"),
        (["photo.jpeg", "--timeout", "1e13"], "up to 1e+09"),
        (["photo.jpeg", "--timeout", "soon"], "soon"),
        (["photo.jpeg", "--url", "http://localhost:8000"], "HOST:PORT"),
    ],
)
def test_wrong_usage(server, photo, capsys, monkeypatch, arguments, reason):
    monkeypatch.setenv("ATELIER_URL", server.url)
    (photo.parent / "link.jpg").symlink_to(photo)
    before = photo.read_bytes()
    assert run(["stylize", "--style", "x", *arguments]) == 2
    assert reason in capsys.readouterr().err
    assert not server.requests
    assert photo.read_bytes() == before


@pytest.mark.parametrize(
    ("status", "message", "code"),
    [
        ("INVALID_ARGUMENT", "in ensemble 'stylize', unknown style 'x'", 1),
        ("UNAVAILABLE", "Server is stopping", 3),
        ("UNAVAILABLE", "Exceeds maximum queue size", 4),
        ("DEADLINE_EXCEEDED", "Deadline Exceeded", 5),
        ("INTERNAL", "onnx runtime error 6", 6),
    ],
)
def test_errors_are_one_line_and_a_code(server, clock, photo, capsys, status, message, code):
    server.script = [(grpc.StatusCode[status], message)] * 9
    assert run(["stylize", str(photo), "--style", "x", "--url", server.url]) == code
    shown = capsys.readouterr().err
    assert shown.startswith("Error: ")
    assert shown.count("\n") == 1
    assert message.rpartition(", ")[2] in shown
    assert list(photo.parent.iterdir()) == [photo]


def test_a_style_that_is_no_text_is_refused(server, photo, capsys):
    # How Python reads bytes of the command line that are not UTF-8.
    style = os.fsdecode(b"\xff")
    assert run(["stylize", str(photo), "--style", style, "--url", server.url]) == 1
    assert capsys.readouterr().err.startswith(r"Error: style: '\udcff' is not text in UTF-8")
    assert not server.requests


def test_a_number_too_large_for_the_protocol_is_the_servers_to_refuse(server, photo):
    side = str(10**20)
    arguments = ["stylize", str(photo), "--style", "x", "--longest-side", side]
    assert run([*arguments, "--url", server.url]) == 0
    assert server.requests[-1].parameters["longest_side"].string_param == side


def test_a_file_that_cannot_be_written(server, photo, capsys):
    (photo.parent / "out.png").mkdir()
    assert run(["stylize", str(photo), "--style", "x", "--url", server.url, "-o", "out.png"]) == 2
    assert "Error" in capsys.readouterr().err


def test_styles(server, capsys):
    assert run(["styles", "--url", server.url]) == 0
    assert capsys.readouterr().out == "great_wave\nudnie\n"


def test_ctrl_c_ends_quietly(server, photo):
    server.hold()
    command = [sys.executable, "-m", "atelier", "stylize", str(photo), "--style", "x"]
    process = subprocess.Popen([*command, "--url", server.url], stderr=subprocess.PIPE, text=True)
    server.wait_for(lambda: server.requests)
    process.send_signal(signal.SIGINT)
    _, shown = process.communicate()
    assert process.returncode == 130
    assert "Traceback" not in shown


def test_help_lists_every_command_without_importing_heavy_things():
    script = (
        "import sys; from atelier._cli.root import run; code = run(['--help']);"
        "heavy = {'torch', 'onnx', 'onnxruntime', 'skimage', 'matplotlib'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else code)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    for command in ("demo", "export", "fill", "morph", "serve", "styles", "stylize", "train"):
        assert f"\n  {command} " in done.stdout
    assert "Exit codes" in done.stdout


def test_version(capsys):
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"atelier, version {__version__}\n"


def test_without_click():
    done = run_without("click", "--help")
    assert done.returncode == 2
    assert done.stderr == (
        "Error: the command line is an extra: the module 'click' is missing: "
        'pip install "atelier-art[cli]"\n'
    )
    assert "Traceback" not in done.stderr


def test_a_command_whose_module_is_missing_stays_listed(monkeypatch, capsys):
    entry_point = EntryPoint("forge", "no_such_module.commands:forge", "atelier.commands")
    monkeypatch.setattr(root, "entry_points", lambda group: [entry_point])
    assert run(["--help"]) == 0
    assert "forge" in capsys.readouterr().out
    assert run(["forge", "--anything", "at", "all"]) == 1
    assert "no_such_module" in capsys.readouterr().err.replace("-", "_")


def test_a_module_missing_within_a_command(monkeypatch, capsys):
    @click.command
    def forge() -> None:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr(EntryPoint, "load", lambda self: forge)
    entry_point = EntryPoint("forge", "forge:forge", "atelier.commands")
    monkeypatch.setattr(root, "entry_points", lambda group: [entry_point])
    assert run(["forge"]) == 1
    assert capsys.readouterr().err == (
        "Error: the module 'torch' is missing: pip install \"atelier-art[export]\"\n"
    )


@pytest.mark.parametrize(
    ("module", "extra"),
    [
        ("torch", "export"),
        ("torch._C", "export"),
        ("click", "cli"),
        ("onnxruntime", "serving-cpu"),
        ("pytriton", "serving"),
    ],
)
def test_the_extra_of_a_module_is_read_from_the_metadata(module, extra):
    assert f'pip install "atelier-art[{extra}]"' in _extras.remedy_for(module)


def test_the_smallest_extra_is_told():
    assert _extras.remedy_for("click") == 'pip install "atelier-art[cli]"'


def test_a_module_that_no_extra_brings():
    assert "'somewhere_else'" in _extras.advice_for("somewhere_else")


def test_the_name_on_pypi_is_the_projects():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert project["name"] == _extras.DISTRIBUTION


def test_an_error_of_a_new_kind_has_an_exit_code(monkeypatch, capsys):
    class QuotaError(AtelierError):
        pass

    class TooLateError(DeadlineExceeded):
        pass

    for error, code in ((QuotaError("too much"), 6), (TooLateError("too late"), 5)):

        def fail(*, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(root.styles, "callback", lambda fail=fail, **_: fail())
        assert run(["styles"]) == code
        assert capsys.readouterr().err == f"Error: {error}\n"
