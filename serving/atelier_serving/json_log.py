"""The log of a server as JSON, a line for each line."""

import json
import re
from datetime import UTC, datetime

_TRITON = re.compile(
    r'(?P<level>[IWEF])\d{4} [\d:.]+ +\d+ (?P<source>\S+:\d+)\] "?(?P<text>.*?)"?$'
)
_LEVELS = {"I": "info", "W": "warning", "E": "error", "F": "fatal"}
_REQUEST = re.compile(r"\[request id: (?P<id>[^\]]*)\] ?")
_UNKNOWN = "<id_unknown>"


def as_json(line: str) -> str:
    """Puts a line of the log into JSON.

    Args:
        line: A line of Triton's, or of ours.

    Returns:
        An object with `time` in ISO 8601, `level` and `message`; of Triton's lines also `source`,
        where in its code, and `request_id` where the line is about a request that has one.
    """
    fields = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "level": "info"}
    if match := _TRITON.match(line):
        fields |= {"level": _LEVELS[match["level"]], "source": match["source"]}
        line = match["text"]
    elif line.startswith("warning: "):
        fields["level"] = "warning"
        line = line.removeprefix("warning: ")
    if found := _REQUEST.search(line):
        if found["id"] not in ("", _UNKNOWN):
            fields["request_id"] = found["id"]
        line = line[: found.start()] + line[found.end() :]
    return json.dumps({**fields, "message": line})
