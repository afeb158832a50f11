"""The names of the styles, as the parameter of a configuration lists them."""

import pytest
from style_names import parse_names


@pytest.mark.parametrize("text", ["great_wave,udnie", " great_wave, udnie\n"])
def test_names_keep_their_order(text):
    assert parse_names(text) == ("great_wave", "udnie")


@pytest.mark.parametrize("text", ["", "a,,b", "a:b", "a b", "é", "a,a", "great_wave,Great-Wave"])
def test_names_that_no_mix_could_tell_apart_are_refused(text):
    with pytest.raises(ValueError, match="parameter 'styles'"):
        parse_names(text)
