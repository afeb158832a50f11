"""The tables of a model card, made from the evaluation.json beside it.

In the card, a table stands between two comments that name it:

    <!-- table: distances -->
    …
    <!-- end of table -->
"""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from atelier_export.files.atomic_write import atomic_write

CARD, EVALUATION = "README.md", "evaluation.json"

_TABLE = re.compile(r"(<!-- table: (?P<name>\w+) -->\n).*?(<!-- end of table -->)", re.DOTALL)

Tables = Callable[[dict[str, Any]], Mapping[str, str]]
"""A function from an evaluation to its tables, Markdown by name."""


def with_tables(card: str, tables: Mapping[str, str]) -> str:
    """The card with every table replaced.

    Raises:
        ValueError: The card names an unknown table, or has none.
    """
    names = [found["name"] for found in _TABLE.finditer(card)]
    if unknown := [name for name in names if name not in tables]:
        raise ValueError(f"there is no table {', '.join(unknown)}; there are {', '.join(tables)}")
    if not names:
        raise ValueError("the card has no `<!-- table: NAME -->` … `<!-- end of table -->`")
    return _TABLE.sub(lambda found: f"{found[1]}\n{tables[found['name']]}\n\n{found[3]}", card)


def update_card(folder: Path, tables: Tables) -> Path:
    """Updates the tables of a family's card and returns the card's path.

    Args:
        folder: Holds the card and the evaluation.
        tables: The family's.

    Raises:
        OSError: A file cannot be read or written.
        ValueError: The card names a table that is not made from the evaluation.
    """
    evaluation = json.loads((folder / EVALUATION).read_text(encoding="utf-8"))
    card = folder / CARD
    text = with_tables(card.read_text(encoding="utf-8"), tables(evaluation))
    with atomic_write(card) as partial:
        partial.write_text(text, encoding="utf-8")
    return card


def write_evaluation(result: Mapping[str, Any], path: Path) -> None:
    """Writes an evaluation as JSON; raises OSError if it cannot."""
    with atomic_write(path) as partial:
        partial.write_text(
            json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
