import pytest

from atelier_export.vae.settings import PaintingSettings, VAESettings


def test_the_divergence_is_warmed_up():
    settings = VAESettings(kl_warm_up=4)
    assert [settings.kl_weight_at(step) for step in range(5)] == [0.25, 0.5, 0.75, 1, 1]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"side": 60}, "side must be a multiple of 8, not 60"),
        ({"corrupted": 1.5}, "corrupted"),
        ({"noise": float("nan")}, "noise"),
        ({"kl_warm_up": 0}, "kl_warm_up must be a finite number from 1"),
    ],
)
def test_impossible_settings_are_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        PaintingSettings(**setting)
