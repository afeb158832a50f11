"""Triton's log: what of it is worth telling, and why a server ended."""

import re
from collections.abc import Iterable, Sequence

NOISE = (
    # Triton looks for CUDA on every machine, and finds its absence an error.
    '"CudaDriverHelper has not been initialized."',
    'CUDA driver version is insufficient for CUDA runtime version"',
    # Without a GPU the launcher asks for no pinned memory.
    'no pinned memory pool, falling back to non-pinned system memory"',
    # A Unix socket has no such delay. (Triton's HTTP server writes in colours.)
    "NODELAY NOT SUPPORTED\x1b[39m :: \x1b[35m(errno: Operation not supported)\x1b[39m",
)

LAST_LINES = 10

_MODEL = re.compile(r"failed to load '(?P<model>.+?)' version (?P<version>\d+): (?P<why>.*)\"$")
_CONFIG = re.compile(r"Poll failed for model directory '(?P<model>.+?)': (?P<why>.*)\"$")
_PROTOBUF = re.compile(r"Error parsing text-format \S+ (?P<why>.*)$")
_STUB = re.compile(r"(?P<why>Failed to preinitialize Python stub: .*)$")
_ERROR = re.compile(r'^(?:E\d{4} \S+ +\d+ \S+\] "|error: )(?P<why>.*?) ?"?$')
_USAGE = re.compile(
    r"(?:^|tritonserver: )"
    r"(?P<why>(?:Bad option|Invalid option value|unrecognized option|option ).*)$"
)
_NOT_RESTARTED = re.compile(r"^not restarted: (?P<why>.*)$")
_PORT = re.compile(r"Socket '.*:(?P<port>\d+)' already in use")


def is_noise(line: str) -> bool:
    """Tells whether a line says nothing to a user."""
    return line.endswith(NOISE)


def port_in_use(lines: Iterable[str]) -> int | None:
    """Finds the port that Triton could not bind.

    Args:
        lines: Lines of the log.

    Returns:
        The port, or None if no port was the trouble.
    """
    for line in lines:
        if match := _PORT.search(line):
            return int(match["port"])
    return None


def lost_a_race(lines: Iterable[str]) -> bool:
    """Tells whether Triton crashed by a fault of its own, and another start may go well.

    A lock in the memory that it shares with the process of a model could not be taken
    (triton-inference-server/server#8882).
    """
    return any("boost::interprocess::lock_exception" in line for line in lines)


def not_restarted(lines: Iterable[str]) -> str | None:
    """Finds why a server that died is not started again.

    Args:
        lines: Lines of the log.

    Returns:
        What the supervisor told, or None if it did not.
    """
    for line in lines:
        if match := _NOT_RESTARTED.search(line):
            return match["why"]
    return None


def is_hopeless(line: str) -> bool:
    """Tells whether a line reports what Triton would answer with a long wait for a dead stub."""
    return bool(_STUB.search(line))


def explain(lines: Sequence[str]) -> str:
    """Tells in a few lines why a server did not start, in its own words.

    Args:
        lines: The end of the log.

    Returns:
        One line for each model that did not load; if there are none, Triton's last errors; if
        there are none either, the last lines as they are.
    """
    if models := model_failures(lines):
        return "\n".join(models)
    telling = [line for line in lines if not is_noise(line)]
    for pattern in (_STUB, _USAGE, _ERROR):
        errors = dict.fromkeys(match["why"] for line in telling if (match := pattern.search(line)))
        if errors:
            return "\n".join(_readable(error) for error in list(errors)[-LAST_LINES:])
    return last_words(lines)


def model_failures(lines: Iterable[str]) -> list[str]:
    """Finds the models that did not load.

    Args:
        lines: Lines of the log.

    Returns:
        One line for each of them.
    """
    return list(dict.fromkeys(_model_failures(lines)))


def last_words(lines: Iterable[str]) -> str:
    """Tells what a server wrote last: how a crash shows, be it a log line or not.

    Args:
        lines: The end of the log.

    Returns:
        The last lines as they are, without noise.
    """
    telling = [line for line in lines if not is_noise(line)]
    return "\n".join(telling[-LAST_LINES:]) or "it wrote nothing"


def _model_failures(lines: Iterable[str]) -> Iterable[str]:
    detail = ""
    for line in lines:
        if match := _PROTOBUF.search(line):
            detail = f" ({match['why']})"
        elif match := _CONFIG.search(line):
            yield f"model '{match['model']}': {_readable(match['why'])}{detail}"
            detail = ""
        elif match := _MODEL.search(line):
            yield f"model '{match['model']}' version {match['version']}: {_readable(match['why'])}"


def _readable(error: str) -> str:
    r"""Makes one line of an error: Triton's log writes \n, and Python frames follow "At:"."""
    error = error.replace(r"\"", '"').replace("\n", r"\n")
    what, _, frames = error.partition(r"\n\nAt:\n")
    where = frames.split(r"\n")[0].strip()
    return what.replace(r"\n", " ").strip() + (f" (at {where})" if where else "")
