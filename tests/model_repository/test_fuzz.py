"""Thousands of inputs that are almost right; `make fuzz` runs a hundred thousand of each kind."""

import warnings

import pytest

from fuzzing.mutations import corpus, inputs
from fuzzing.targets import TARGETS

INPUTS = {"image": 3000, "style": 3000, "options": 3000, "backend": 1000}
SEED = 20_261_129


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_breaks(name):
    used = 0
    with warnings.catch_warnings():
        # Pillow warns of what it reads in spite of a fault.
        warnings.simplefilter("ignore")
        for number, data in enumerate(inputs(corpus(name), INPUTS[name], SEED)):
            try:
                used += TARGETS[name](data)
            except Exception as error:
                error.add_note(f"input {number} of {name}: {data[:2000]!r}")
                raise
    # Both ways are taken: inputs that are of use, and such that are refused.
    assert 0 < used < INPUTS[name]
