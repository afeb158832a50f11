"""The command line: `atelier`, or `python -m atelier`."""

import sys

from atelier._extras import advice_for

_NOT_INSTALLED = 2


def main() -> None:
    """Runs the command line and ends the process with its exit code."""
    try:
        from atelier._cli.root import run
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("atelier"):
            raise
        # A script cannot be left out by an extra: pip makes it with the library.
        print(f"Error: the command line is an extra: {advice_for(error.name)}", file=sys.stderr)  # noqa: T201
        sys.exit(_NOT_INSTALLED)
    sys.exit(run())


if __name__ == "__main__":
    main()
