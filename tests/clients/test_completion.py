"""What the shell is told while somebody types."""

import os
import socket
import subprocess
import sys

import pytest

from fakes.generator import Generator


def suggested(words: str, url: str) -> list[str]:
    """What bash would suggest for the last of the words."""
    environment = {
        "_ATELIER_COMPLETE": "bash_complete", "COMP_WORDS": words, "ATELIER_URL": url,
        "COMP_CWORD": str(len(words.split()) - (not words.endswith(" "))),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "atelier"],
        env={**os.environ, **environment}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("atelier stylize --style ", ["great_wave", "udnie"]),
        ("atelier stylize --style u", ["udnie"]),
        ("atelier stylize --style udnie,gr", ["udnie,great_wave"]),
        ("atelier stylize --style x", []),
        ("atelier bulk stylize a b --style u", ["udnie"]),
        ("atelier generate --movement c", ["cubism"]),
        ("atelier sty", ["styles", "stylize"]),
    ],
)
def test_names_come_from_the_server(server, words, names):
    server.generator = Generator()
    assert suggested(words, server.url) == names


def test_without_a_server_nothing_is_suggested_or_said():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"127.0.0.1:{listener.getsockname()[1]}"
        assert suggested("atelier stylize --style u", url) == []
        assert suggested("atelier stylize --style u", "no address") == []
