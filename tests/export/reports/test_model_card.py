import json
from pathlib import Path

import pytest

from atelier_export.families import FAMILIES
from atelier_export.reports.markdown import plural, table
from atelier_export.reports.model_card import update_card, with_tables

ROOT = Path(__file__).parents[3]
CARD = """# Card

<!-- table: one -->
old
<!-- end of table -->

Between.

<!-- table: two -->
<!-- end of table -->
"""


def test_every_table_is_updated_and_all_else_stays(tmp_path):
    (tmp_path / "README.md").write_text(CARD)
    (tmp_path / "evaluation.json").write_text(json.dumps({"figure": 3}))

    def tables(evaluation):
        return {"one": f"first {evaluation['figure']}", "two": "second", "three": "unused"}

    assert update_card(tmp_path, tables) == tmp_path / "README.md"
    made = (tmp_path / "README.md").read_text()
    assert made == CARD.replace("old", "\nfirst 3\n").replace("two -->\n", "two -->\n\nsecond\n\n")
    update_card(tmp_path, tables)
    assert (tmp_path / "README.md").read_text() == made


def test_a_card_and_its_evaluation_must_fit():
    with pytest.raises(ValueError, match="there is no table two; there are one"):
        with_tables(CARD, {"one": "1"})
    with pytest.raises(ValueError, match="the card has no"):
        with_tables("# Card", {"one": "1"})


TRAINED = {name: each for name, each in FAMILIES.items() if (ROOT / each.checkpoint).exists()}


@pytest.mark.parametrize("family", TRAINED.values(), ids=TRAINED.keys())
def test_the_figures_of_every_card_are_those_of_its_evaluation(family):
    folder = (ROOT / family.checkpoint).parent
    card = (folder / "README.md").read_text()
    evaluation = json.loads((folder / "evaluation.json").read_text())
    assert with_tables(card, family.module.tables(evaluation)) == card


def test_markdown():
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"
    assert [plural(number, "image") for number in (1, 2)] == ["1 image", "2 images"]
