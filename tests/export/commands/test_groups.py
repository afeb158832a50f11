import subprocess
import sys

import pytest
from click.testing import CliRunner

from atelier_export.commands import export_family
from atelier_export.commands.groups import evaluate, export, model_card, train
from atelier_export.families import FAMILIES


@pytest.mark.parametrize("group", [train, evaluate, export, model_card])
def test_every_group_has_every_family(group):
    listed = CliRunner().invoke(group, ["--help"]).output
    for family in FAMILIES.values():
        assert f"{family.name} " in listed
        assert family.purpose[:20] in listed
        result = CliRunner().invoke(group, [family.name, "--help"])
        assert result.exit_code == 0
        assert "[default" in result.output


def test_a_family_that_there_is_not_is_refused():
    result = CliRunner().invoke(train, ["sculpture"])
    assert result.exit_code == 2
    assert "No such command 'sculpture'" in result.output


def test_listing_the_families_imports_none_of_them():
    program = (
        "import sys\n"
        "from atelier_export.commands.groups import train\n"
        "train.main(['--help'], standalone_mode=False)\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)


def test_a_model_card_is_updated_by_a_command(tmp_path, monkeypatch):
    family = FAMILIES["style"]
    monkeypatch.setattr(family.module, "tables", lambda evaluation: {"all": str(evaluation)})
    (tmp_path / "README.md").write_text("<!-- table: all -->\n<!-- end of table -->\n")
    (tmp_path / "evaluation.json").write_text('{"a": 1}')
    result = CliRunner().invoke(model_card, ["style", "--folder", str(tmp_path)])
    assert result.output == f"{tmp_path / 'README.md'}\n"
    assert "{'a': 1}" in (tmp_path / "README.md").read_text()
    (tmp_path / "evaluation.json").unlink()
    result = CliRunner().invoke(model_card, ["style", "--folder", str(tmp_path)])
    assert result.exit_code == 1
    assert "evaluation.json" in result.output


def test_every_checkpoint_is_exported_and_one_that_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exported = []
    monkeypatch.setattr(
        export_family, "export_family", lambda family, *arguments: exported.append(family.name)
    )
    checkpoint = FAMILIES["style"].checkpoint
    checkpoint.parent.mkdir(parents=True)
    checkpoint.touch()
    result = CliRunner().invoke(export, ["all"])
    assert result.exit_code == 0
    assert exported == ["style"]
    assert f"vae: there are no weights at {FAMILIES['vae'].checkpoint} yet\n" in result.output
