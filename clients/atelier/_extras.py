"""Which extra of the distribution brings a module that is missing."""

import re
from importlib import metadata

DISTRIBUTION = "atelier-art"
"""The project's name on PyPI, where `atelier` belongs to somebody else."""

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_EXTRA = re.compile(r"""extra\s*==\s*["']([^"']+)["']""")


def pip_install(extra: str) -> str:
    """The command that adds an extra."""
    return f'pip install "{DISTRIBUTION}[{extra}]"'


def remedy_for(module: str) -> str:
    """The pip command that adds a missing module.

    The answer comes from the distribution's own metadata. A module is looked for under its own
    name and as a part of a distribution's name (`pytriton` in `nvidia-pytriton`). Of the extras
    that bring it, the smallest are told.
    """
    module = module.partition(".")[0].replace("_", "-").lower()
    extras = _distributions_by_extra()
    exact = {extra for extra, names in extras.items() if module in names}
    partial = {
        extra for extra, names in extras.items() if any(module in n.split("-") for n in names)
    }
    found = exact or partial
    smallest = min((len(extras[extra]) for extra in found), default=0)
    commands = [pip_install(extra) for extra in sorted(found) if len(extras[extra]) == smallest]
    return " or ".join(commands) or f"install the distribution that has the module {module!r}"


def _distributions_by_extra() -> dict[str, set[str]]:
    extras: dict[str, set[str]] = {}
    for requirement in metadata.requires(DISTRIBUTION) or []:
        name = _NAME.match(requirement)
        extra = _EXTRA.search(requirement)
        if name and extra:
            distribution = name.group().replace("_", "-").lower()
            extras.setdefault(extra.group(1), set()).add(distribution)
    return extras


def advice_for(module: str) -> str:
    """One line that says which module is missing and what to do about it."""
    return f"the module {module!r} is missing: {remedy_for(module)}"
