import pytest

from atelier_export.classifier.settings import ClassifierSettings, PaintingSettings


def test_the_last_crops_are_as_large_as_the_images():
    settings = ClassifierSettings(steps=100, side=96, last_side=128, last_share=0.3)
    assert [settings.side_at(step) for step in (0, 69, 70, 99)] == [96, 96, 128, 128]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"steps": 0}, "steps must be a finite number from 1"),
        ({"batch": 5}, "batch must be a multiple of 2"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"teacher_share": 1.5}, "teacher_share"),
        ({"split": "painter"}, "split must be work or artist, not 'painter'"),
    ],
)
def test_impossible_settings_are_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        PaintingSettings(**setting)
