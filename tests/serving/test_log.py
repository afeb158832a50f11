import pytest

from atelier_serving.log import explain, is_noise, last_words, lost_a_race, port_in_use

STAMP = "1121 07:49:38.153591 6311"

RAISED = (
    f"E{STAMP} model_lifecycle.cc:642] \"failed to load 'style' version 2: Internal: "
    r"ValueError: style \"x\" is unknown\n\nAt:\n  /models/style/2/model.py(3): initialize\n"
    '"'
)
CONFIG = [
    "[libprotobuf ERROR text_format.cc:337] Error parsing text-format inference.ModelConfig: "
    'no field named "inpt".',
    f"E{STAMP} model_repository_manager.cc:1460] \"Poll failed for model directory 'decode': "
    'failed to read text proto from /models/decode/config.pbtxt"',
]
PORT = (
    f'E{STAMP} main.cc:245] "failed to start GRPC service: Unavailable - '
    "Socket '127.0.0.1:8001' already in use \""
)
CUDA = f'E{STAMP} server.cc:241] "CudaDriverHelper has not been initialized."'
ALL_MODELS = "error: creating server: Internal - failed to load all models"


def test_a_model_that_raised_is_named_with_the_line():
    assert explain([CUDA, RAISED, RAISED, ALL_MODELS]) == (
        "model 'style' version 2: Internal: ValueError: style \"x\" is unknown "
        "(at /models/style/2/model.py(3): initialize)"
    )


def test_a_config_that_cannot_be_read_is_named_with_the_field():
    assert explain([*CONFIG, ALL_MODELS]) == (
        "model 'decode': failed to read text proto from /models/decode/config.pbtxt "
        '(no field named "inpt".)'
    )


def test_every_broken_model_has_a_line():
    assert len(explain([RAISED, *CONFIG]).splitlines()) == 2


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([CUDA, ALL_MODELS], "creating server: Internal - failed to load all models"),
        (["/x/tritonserver: unrecognized option '--no'"], "unrecognized option '--no'"),
        (['Bad option: "--log-verbose".', "Usage"], 'Bad option: "--log-verbose".'),
        ([CUDA, "Segmentation fault"], "Segmentation fault"),
        ([], "it wrote nothing"),
    ],
)
def test_without_a_model_the_errors_or_the_last_lines_tell(lines, told):
    assert explain(lines) == told


def test_at_most_ten_lines_are_told_as_they_are():
    assert explain([f"line {n}" for n in range(30)]).splitlines() == [
        f"line {n}" for n in range(20, 30)
    ]


def test_at_most_ten_errors_are_told_and_those_are_the_last():
    errors = [f'E{STAMP} server.cc:241] "error {n}"' for n in range(30)]
    assert explain(errors).splitlines() == [f"error {n}" for n in range(20, 30)]


def test_last_words_are_the_last_lines_and_not_old_errors():
    answered = [f"line {n}" for n in range(20)]
    words = last_words([RAISED, *answered, "terminate called", CUDA]).splitlines()
    assert words == [*answered[-9:], "terminate called"]
    assert last_words([CUDA]) == "it wrote nothing"


def test_the_port_in_use_is_found():
    assert port_in_use([CUDA, PORT]) == 8001
    assert port_in_use([CUDA]) is None


def test_a_crash_by_chance_is_told_from_others():
    words = "terminate called after throwing an instance of '{}'"
    assert lost_a_race([CUDA, words.format("boost::interprocess::lock_exception")])
    assert not lost_a_race([CUDA, words.format("std::bad_alloc")])


def test_the_search_for_cuda_is_noise_and_a_broken_model_is_not():
    assert is_noise(CUDA)
    assert is_noise(
        f'E{STAMP} ensemble_scheduler.cc:1468] "unable to create stream for stylize: '
        'CUDA driver version is insufficient for CUDA runtime version"'
    )
    assert is_noise(
        f'W{STAMP} pinned_memory_manager.cc:170] "failed to allocate pinned system memory: '
        'no pinned memory pool, falling back to non-pinned system memory"'
    )
    assert not is_noise(RAISED)
