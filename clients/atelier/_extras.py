"""Which extra of the distribution brings a module that is missing."""

import re
from importlib import metadata

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_EXTRA = re.compile(r"""extra\s*==\s*["']([^"']+)["']""")


def remedy_for(module: str) -> str:
    """The pip command that adds a missing module.

    The answer comes from the distribution's own metadata. A module is looked for under its own
    name and as a part of a distribution's name (`pytriton` in `nvidia-pytriton`).
    """
    module = module.partition(".")[0].replace("_", "-").lower()
    exact: list[str] = []
    partial: list[str] = []
    for requirement in metadata.requires("atelier") or []:
        name = _NAME.match(requirement)
        extra = _EXTRA.search(requirement)
        if name is None or extra is None:
            continue
        distribution = name.group().replace("_", "-").lower()
        if distribution == module:
            exact.append(extra.group(1))
        elif module in distribution.split("-"):
            partial.append(extra.group(1))
    extras = exact or partial
    return " or ".join(f'pip install "atelier[{extra}]"' for extra in extras) or (
        f"install the distribution that has the module {module!r}"
    )


def advice_for(module: str) -> str:
    """One line that says which module is missing and what to do about it."""
    return f"the module {module!r} is missing: {remedy_for(module)}"
