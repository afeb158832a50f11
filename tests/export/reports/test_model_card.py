import json

import pytest

from atelier_export.reports.markdown import plural, table
from atelier_export.reports.model_card import update_card, with_tables

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


def test_markdown():
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"
    assert [plural(number, "image") for number in (1, 2)] == ["1 image", "2 images"]
