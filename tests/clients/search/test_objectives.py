"""What images are scored by."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from atelier import InvalidRequest
from atelier._search.objectives import (
    KNOWN,
    Closeness,
    MovementProbability,
    Novelty,
    objective_named,
)
from fakes.painter import FakePainter


def plain(*levels):
    return [Image.new("RGB", (64, 64), (level, level, level)) for level in levels]


@pytest.mark.parametrize("name", ["cubism", " Cubism"])
def test_the_probability_of_a_movement_in_the_order_of_the_images(name):
    red = [Image.new("RGB", (8, 8), (level, 0, 0)) for level in (0, 255, 51)]
    scores = MovementProbability(FakePainter(), name)(red)
    assert scores == pytest.approx([0, 1, 0.2])


def test_a_movement_that_the_classifier_lacks():
    with pytest.raises(InvalidRequest, match="knows no movement 'dada': cubism, rococo"):
        MovementProbability(FakePainter(), "dada")(plain(0))


def test_closeness_is_in_levels():
    assert Closeness(plain(100)[0])(plain(100, 110, 0)) == pytest.approx([0, -10, -100])


def test_closeness_is_deaf_to_strokes_and_not_to_composition():
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)
    scene = Image.linear_gradient("L").resize((128, 128)).convert("RGB")
    rough = Image.blend(scene, Image.fromarray(noise), 0.2)
    smooth = rough.filter(ImageFilter.GaussianBlur(3))
    score = Closeness(scene)
    near_rough, near_smooth, turned = score([rough, smooth, scene.rotate(90)])
    assert near_rough == pytest.approx(near_smooth, abs=2)
    assert turned < 3 * near_rough


def test_closeness_compares_the_middle_square():
    wide = Image.new("RGB", (300, 100))
    wide.paste((200, 200, 200), (100, 0, 200, 100))
    assert Closeness(wide)(plain(200)) == pytest.approx([0], abs=1)


def test_novelty_is_the_mean_distance_to_the_nearest():
    score = Novelty()
    assert score(plain(0)) == [0]
    assert score(plain(10, 30)) == pytest.approx([15, 25])  # 0 and 30; 0 and 10
    assert score(plain(*[30] * Novelty.NEIGHBORS)) == pytest.approx([0] * 15)
    assert len(score.archive) == 18
    assert score(plain(255)) > 200


def test_what_was_found_is_no_longer_novel():
    score = Novelty()
    score(plain(*range(0, 200, 10)))
    first, again = score(plain(255))[0], score(plain(255))[0]
    assert again < first


def test_the_first_batch_is_no_novelty_for_being_the_first():
    known = plain(*range(100, 120))
    assert Novelty(known)(plain(110)) < 20


@pytest.mark.parametrize("text", ["", "beauty", "movement", "movement: ", "image:", "novelty:1"])
def test_there_is_no_such_objective(text):
    with pytest.raises(InvalidRequest, match="give movement:NAME, image:FILE or novelty"):
        objective_named(text, FakePainter(), "cubism")


def test_objectives_by_name(tmp_path):
    plain(7)[0].save(tmp_path / "a:b.png")
    painter = FakePainter()

    def named(text):
        return objective_named(text, painter, "cubism")

    assert isinstance(named(f"image:{tmp_path / 'a:b.png'}")(), Closeness)
    assert named("movement:Naive Art")().label == "probability of naive_art"
    novelty = named("novelty")
    one, other = novelty(), novelty()
    one(plain(255))
    assert (len(one.archive), len(other.archive)) == (KNOWN + 1, KNOWN)
    assert painter.batches == [KNOWN]
