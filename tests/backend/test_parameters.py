import pytest

from atelier_onnxruntime.parameters import (
    ConfigError,
    boolean_parameter,
    integer_parameter,
    parse_boolean,
    parse_integer,
    string_parameter,
)


@pytest.mark.parametrize(
    ("value", "number"), [("4", 4), (" 4", 4), ("-1", -1), ("2.0", 2), ("8 threads", 8)]
)
def test_an_integer_is_its_leading_digits(value, number):
    assert parse_integer("intra_op_thread_count", value) == number


@pytest.mark.parametrize("value", ["", "two", ".5"])
def test_no_leading_digits_is_refused(value):
    with pytest.raises(ConfigError, match=rf"'intra_op_thread_count' is '{value}'"):
        parse_integer("intra_op_thread_count", value)


@pytest.mark.parametrize(
    ("value", "switch"),
    [
        ("true", True),
        ("TRUE", True),
        ("on", True),
        ("1", True),
        ("false", False),
        ("Off", False),
        ("0", False),
    ],
)
def test_a_boolean_is_one_of_six_words(value, switch):
    assert parse_boolean("enable_mem_arena", value) is switch


@pytest.mark.parametrize("value", ["", "yes", "2"])
def test_any_other_word_is_refused(value):
    with pytest.raises(ConfigError, match=f"'enable_mem_arena' is '{value}'"):
        parse_boolean("enable_mem_arena", value)


def test_parameters_are_read_from_their_string_value():
    config = {"parameters": {"number": {"string_value": "3"}, "switch": {"string_value": "on"}}}
    assert string_parameter(config, "number") == "3"
    assert integer_parameter(config, "number", 0) == 3
    assert boolean_parameter(config, "switch", False) is True


def test_a_parameter_that_is_not_set_has_its_default():
    assert string_parameter({}, "number") is None
    assert integer_parameter({"parameters": {}}, "number", 7) == 7
    assert boolean_parameter({}, "switch", True) is True
