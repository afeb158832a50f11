import pytest

from atelier_export.generator.settings import PaintingSettings


def test_smaller_maps_have_more_channels():
    assert PaintingSettings(width=96).channels == (192, 128, 96)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"batch": 1}, "batch must be a finite number from 2"),
        ({"r1_weight": -1}, "r1_weight"),
        ({"translation": 1.5}, "translation"),
        ({"cutout": float("nan")}, "cutout"),
        ({"flip": 2}, "flip"),
    ],
)
def test_impossible_settings_are_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        PaintingSettings(**setting)
