"""What holds for all tests."""

import os
import signal
import string
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says how busy the machine is, and nothing of what is tested.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")

CLASSIFIER = Path(__file__).parents[1] / "export" / "atelier_export" / "classifier"
MOVEMENTS = (
    "abstract",
    "baroque",
    "cubism",
    "fauvism",
    "impressionism",
    "naive_art",
    "pointillism",
    "rococo",
    "ukiyo_e",
)
ERAS = ("classical", "modern", "abstract")

TOGETHER = (
    # The one server of the image path.
    (
        "tests/model_repository/test_stylize_options.py",
        "tests/model_repository/test_stylize.py",
        "tests/model_repository/test_malformed.py",
    ),
    # PyTorch's exporter, whose first export in a process takes seconds more than any later one. In
    # two parts, so that the others do not end long before.
    (
        "tests/test_whole_service.py",
        "tests/export/style/test_export.py",
        "tests/export/style/test_int8.py",
        "tests/export/style/test_compare_style_networks.py",
    ),
    (
        "tests/export/classifier/test_family.py",
        "tests/export/generator/test_family.py",
        "tests/export/vae/test_family.py",
        "tests/model_repository/test_generate.py",
    ),
)
"""Files whose tests run in one process."""

# softmax(4 · mean colour · matrix), each colour from 0 to 1. Red is baroque, green impressionism,
# blue ukiyo_e; the eras are red, green and blue in their order.
NETWORK = """
<ir_version: 8, opset_import: ["" : 18]>
classifier (uint8[batch, height, width, 3] image)
    => (float[batch, 9] probabilities, float[batch, 3] era_probabilities)
<float[3, 9] matrix = {
    0.3, 1.0, 0.1, 0.2, 0.0, 0.1, 0.2, 0.4, 0.0,
    0.1, 0.0, 0.2, 0.3, 1.0, 0.4, 0.6, 0.1, 0.2,
    0.2, 0.1, 0.4, 0.0, 0.3, 0.2, 0.1, 0.0, 1.0
}>
{
    axes = Constant <value = int64[2] {1, 2}> ()
    scale = Constant <value = float {63.75}> ()
    pixels = Cast <to = 1> (image)
    mean = ReduceMean <keepdims = 0> (pixels, axes)
    era_logits = Div (mean, scale)
    logits = MatMul (era_logits, matrix)
    probabilities = Softmax <axis = -1> (logits)
    era_probabilities = Softmax <axis = -1> (era_logits)
}
"""

# PyTorch's threads wait for each other by spinning: when something else has one of the cores, each
# of the many small steps of a test waits for the scheduler, and takes ten times as long. Set before
# any conftest below imports PyTorch; the processes that tests start inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A test process that has open channels starts others, which call nothing of gRPC: its handlers of a
# fork would end some of them.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")


def pytest_configure() -> None:
    # A shell without job control has its background jobs ignore Ctrl-C, and whatever they start
    # does as well: tests that interrupt a process would wait in vain.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def add_classifier() -> Callable[[Path], None]:
    """Adds `classifier` and `classify` to a model repository, around the stand-in NETWORK."""
    import onnx

    from fakes.python_models import copy_code

    def add(repository: Path) -> None:
        copy_code(repository, "classify")
        (repository / "classifier" / "1").mkdir(parents=True)
        for name in ("classifier", "classify"):
            config = string.Template((CLASSIFIER / f"{name}.pbtxt").read_text())
            filled = config.substitute(movements=len(MOVEMENTS), eras=len(ERAS), files="")
            (repository / name / "config.pbtxt").write_text(filled)
            (repository / name / "movements.txt").write_text("\n".join(MOVEMENTS) + "\n")
            (repository / name / "eras.txt").write_text("\n".join(ERAS) + "\n")
        model = repository / "classifier" / "1" / "model.onnx"
        onnx.save(onnx.parser.parse_model(NETWORK), model)

    return add


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Has the slow files come first, in their order, so that none of them runs alone at the end."""
    slow = os.environ.get("SLOW_TESTS", "").split()
    places = {file: place for place, file in enumerate(slow)}
    items.sort(key=lambda item: places.get(item.location[0], len(slow)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Gives a process whole files, and those that share something expensive one after the other."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return next((files[0] for files in TOGETHER if file in files), file)

    return Scheduling(config, log)
