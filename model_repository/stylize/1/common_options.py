"""What several models let a request ask for.

What the protocol itself knows (`timeout`, `priority`, `sequence_id`, over HTTP
`binary_data_output`) Triton takes out of the parameters before.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches

from client_text import quote

FORMATS = ("jpeg", "png", "webp")
"""Formats that an answer can have."""
DEFAULT_QUALITY = 0
"""Leaves the quality to the encoder, which has a default for each format."""
OF_EVERY_REQUEST = ("bulk", "network_version")
"""The options of every model that has a queue and calls a network."""

_VERSION = re.compile(r"[1-9][0-9]{0,17}")
_QUALITY = re.compile(r"[1-9][0-9]?|100")
_YES_OR_NO = {"true": True, "1": True, "false": False, "0": False}


class OptionsError(ValueError):
    """The request cannot be answered as it asks; the message says why and what to do."""


def check_names(names: Iterable[str], known: Collection[str]) -> None:
    """Checks that every option exists.

    Raises:
        OptionsError: One does not; the message names the one that may be meant.
    """
    for name in names:
        if name not in known:
            near = get_close_matches(name.lower().replace("-", "_"), known, n=1)
            hint = f"did you mean {near[0]}" if near else "leave it out"
            raise OptionsError(
                f"{quote(name)} is not an option of this model: {hint}; its options are "
                f"{', '.join(known)}"
            )


def read_format(value: object) -> str:
    """One of FORMATS."""
    if not isinstance(value, str) or value not in FORMATS:
        *others, last = FORMATS
        raise OptionsError(
            f"format {quote(value)} cannot be written: use {', '.join(others)} or {last}"
        )
    return value


def read_quality(value: object) -> int:
    """The quality of a JPEG or WebP, 1 to 100."""
    if isinstance(value, bool) or not _QUALITY.fullmatch(str(value)):
        raise OptionsError(
            f"quality {quote(value)} is not possible: use a whole number from 1 to 100"
        )
    return int(str(value))


def read_version(value: object) -> int:
    """The number of a version, from 1."""
    if isinstance(value, bool) or not _VERSION.fullmatch(str(value)):
        raise OptionsError(
            f"network_version {quote(value)} is not possible: use the number of a version that "
            "is served, from 1"
        )
    return int(str(value))


def read_of_every_request(parameters: Mapping[str, object]) -> int | None:
    """Reads the options of OF_EVERY_REQUEST, of which the queue knows `bulk` already.

    Returns:
        The version of the network, or None for the model's own choice.
    """
    if "bulk" in parameters:
        read_yes_or_no("bulk", parameters["bulk"])
    return read_version(parameters["network_version"]) if "network_version" in parameters else None


def read_yes_or_no(name: str, value: object) -> bool:
    """True or false, as JSON or as its text in any case, or 1 or 0."""
    # Folded, since languages write their own True and TRUE.
    answer = _YES_OR_NO.get(str(value).lower())
    if answer is None:
        raise OptionsError(f"{name} {quote(value)} is not possible: use true or false")
    return answer
