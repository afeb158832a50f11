"""The command line: `atelier`, or `python -m atelier`."""

import sys

from atelier._extras import advice_for


def main() -> None:
    """Runs the command line and ends the process with its exit code."""
    try:
        from atelier._cli.root import run
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("atelier"):
            raise
        sys.exit(f"Error: {advice_for(error.name)}")
    sys.exit(run())


if __name__ == "__main__":
    main()
