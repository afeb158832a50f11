"""What a request for latents may ask for, and what the model is configured with."""

import numpy as np
import pytest
from common_options import OptionsError
from latents_options import Options, check_no_seed, check_seed, read_options
from latents_settings import Settings, read_settings
from movement_names import MovementError, find_movement
from own_latents import LatentError, check_latents

MOVEMENTS = ("cubism", "naive_art", "ukiyo_e")
SETTINGS = Settings(MOVEMENTS, 6, 8, truncation=0.7, largest_truncation=4.0)
CONFIG = {
    "movements": "cubism,naive_art,ukiyo_e",
    "latent_length": "6",
    "max_count": "8",
    "truncation": "0.7",
    "largest_truncation": "4.0",
}
DEFAULTS = {"count": 1, "first": 0, "truncation": 0.7}


@pytest.mark.parametrize(
    ("parameters", "options"),
    [
        ({}, {}),
        ({"count": 8, "first": "3"}, {"count": 8, "first": 3}),
        ({"count": "1", "first": 2**63 - 1}, {"first": 2**63 - 1}),
        ({"truncation": 4}, {"truncation": 4.0}),
        ({"truncation": "1e-3"}, {"truncation": 0.001}),
        ({"format": "of no interest here"}, {}),
    ],
)
def test_what_can_be_asked(parameters, options):
    assert read_options(parameters, SETTINGS) == Options(**(DEFAULTS | options))


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("count", [0, 9, "9", -1, 1.0, True, "", "many", "9" * 5000], "number from 1 to 8; more"),
        ("first", [-1, 2**63, "0.0", False, "٣"], f"whole number from 0 to {2**63 - 1}"),
        ("truncation", [0, -1, 4.01, "nan", "inf", True, "", "half"], "above 0, for the most"),
    ],
)
def test_what_cannot_be_asked(name, values, words):
    for value in values:
        with pytest.raises(OptionsError) as caught:
            read_options({name: value}, SETTINGS)
        assert str(caught.value).startswith(f"{name} {value!r}"[:50])
        assert words in str(caught.value)
        assert len(str(caught.value)) < 250


def test_seeds():
    assert check_seed(0) == 0
    assert check_seed(2**63 - 1) == 2**63 - 1
    with pytest.raises(OptionsError, match=r"^seed -1 is not possible: use a whole number from 0"):
        check_seed(-1)


@pytest.mark.parametrize("name", ["seed", "count", "first", "truncation"])
def test_latents_of_ones_own_are_not_drawn(name):
    check_no_seed(False, {"format": "png", "quality": 3})
    has_seed, parameters = (True, {}) if name == "seed" else (False, {name: "1"})
    with pytest.raises(OptionsError, match=f"^{name} cannot go with latent"):
        check_no_seed(has_seed, parameters)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (b"", None),
        (b" \n", None),
        (b"cubism", 0),
        (b" Naive Art ", 1),
        (b"NAIVE-art", 1),
        (b"Ukiyo-e", 2),
        (b"UKIYO_E", 2),
    ],
)
def test_names_of_movements(text, number):
    assert find_movement(text, MOVEMENTS) == number


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"cubisn", "unknown movement 'cubisn'; did you mean cubism? Known movements: cubism, "),
        (b"fresco", "unknown movement 'fresco'. Known movements: cubism, naive_art, ukiyo_e"),
        (b"cubism:0.5", "unknown movement 'cubism:0.5'; did you mean cubism?"),
        (b"\xff", "is not UTF-8: send one of cubism, naive_art, ukiyo_e"),
        (b"x" * 100_000, "unknown movement 'xxxx"),
    ],
)
def test_names_of_none(text, words):
    with pytest.raises(MovementError) as caught:
        find_movement(text, MOVEMENTS)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("count", [1, 8])
def test_latents_that_the_generator_takes(count):
    largest = np.finfo(np.float32).max
    check_latents(np.full((count, 6), -largest, np.float32), 6, 8)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((0, 6), "latent has 0 latents: send 1 to 8"),
        ((9, 6), "latent has 9 latents: send 1 to 8; more are several requests"),
        ((2, 5), "latent has 5 values for each image: send 6"),
        ((2, 0), "latent has 0 values for each image: send 6"),
    ],
)
def test_latents_of_another_shape(shape, words):
    with pytest.raises(LatentError, match=words):
        check_latents(np.zeros(shape, np.float32), 6, 8)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_latents_that_are_no_numbers(value):
    latents = np.zeros((4, 6), np.float32)
    latents[2, 3] = latents[3, 0] = value
    with pytest.raises(LatentError, match=f"^value 3 of latent 2, both from 0, is {value}: send"):
        check_latents(latents, 6, 8)


def as_triton_has_them(texts: dict[str, str]) -> dict[str, dict[str, str]]:
    return {name: {"string_value": text} for name, text in texts.items()}


def test_settings():
    assert read_settings(as_triton_has_them(CONFIG)) == SETTINGS


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("movements", ["", "cubism,", "Ukiyo-e,ukiyo_e"]),
        ("latent_length", ["", "0", "-6", "6.0", "six"]),
        ("max_count", ["0", "1e1"]),
        ("truncation", ["", "0", "4.1", "nan", "little"]),
        ("largest_truncation", ["0", "9", "inf"]),
    ],
)
def test_unusable_settings(name, values):
    for value in values:
        with pytest.raises(ValueError, match=f"^parameter '{name}' in config.pbtxt.*'{value}'$"):
            read_settings(as_triton_has_them(CONFIG | {name: value}))
    without = {key: text for key, text in CONFIG.items() if key != name}
    with pytest.raises(ValueError, match=f"^parameter '{name}' in config.pbtxt must be"):
        read_settings(as_triton_has_them(without))
