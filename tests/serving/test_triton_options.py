"""Options that are passed on to Triton."""

import pytest

from atelier_serving import StartError
from atelier_serving.installation import find_installation
from atelier_serving.triton_options import check


def refusal(*options):
    with pytest.raises(StartError) as error:
        check(find_installation().binary, options)
    return str(error.value)


def test_an_unknown_option_is_told_in_a_sentence_with_the_nearest_name():
    assert refusal("--log-info=1", "--metrics-intervall-ms=5") == (
        "Triton does not take its options: unrecognized option "
        "'--metrics-intervall-ms=5'; the nearest is --metrics-interval-ms"
    )


def test_what_is_near_to_nothing_is_told_too():
    assert refusal("--xyz").endswith("unrecognized option '--xyz'")


@pytest.mark.parametrize(
    ("option", "why"),
    [
        ("--log-verbose=x", "Invalid option value. Got x"),
        ("--rate-limit=x", "invalid argument for --rate-limit"),
        ("--allow", "option '--allow' is ambiguous"),
        ("--backend-config=python", "Got python"),
    ],
)
def test_a_value_that_triton_does_not_take_is_told(option, why):
    words = refusal(option)
    assert why in words
    assert len(words.splitlines()) == 1


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--log-verbose=1", "--cache-config=local,size=1048576"),
        ("--log-verb", "1"),
        ("--strict-model-config=false",),
    ],
)
def test_what_triton_takes_passes(options):
    check(find_installation().binary, options)
