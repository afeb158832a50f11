"""What the models count, as the server's metrics show it."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from model_metrics import COUNTERS, HISTOGRAMS, ModelMetrics
from tritonclient.utils import InferenceServerException

from fakes.prometheus import Metrics, scrape, series
from fakes.triton import serving
from fakes.waiting import until


@pytest.fixture(scope="module")
def server(repository):
    """A server of these tests alone: what others did would be counted up to a second later."""
    with serving(repository) as running:
        yield running


@pytest.fixture(scope="module")
def stylize(server, connect):
    with connect(server.grpc_url) as call:
        yield call


@pytest.fixture
def metrics(server) -> Metrics:
    return Metrics(server.metrics_url)


def test_all_instances_add_up(stylize, metrics, encoded, photo):
    picture = encoded(photo, "JPEG")
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: stylize(picture, "udnie:3, The Scream:1"), range(30)))

    def added(name, **labels):
        return metrics.added(name, model="stylize", **labels)

    until(lambda: added("atelier_requests_total", outcome="served") == 30)
    assert added("atelier_requests_total") == 30
    # One count is sent after the other, and times behind them.
    until(lambda: added("atelier_style_requests_total") == 60)
    for style, count in {"udnie": 30, "the_scream": 30, "great_wave": 0}.items():
        assert added("atelier_style_requests_total", style=style) == count
    until(lambda: added("atelier_pixels_total") == 30 * photo.width * photo.height)
    until(lambda: added("atelier_request_duration_seconds_count") == 30)
    for step in STEPS:
        assert added("atelier_step_duration_seconds_count", step=step) == 30
    steps = [added("atelier_step_duration_seconds_sum", step=step) for step in STEPS]
    assert all(steps)
    assert sum(steps[1:]) < added("atelier_request_duration_seconds_sum")


STEPS = ("queue", "decode", "network", "encode")


@pytest.mark.parametrize(
    ("reason", "image", "style", "options"),
    [
        ("image", b"no image", "udnie", {}),
        ("style", None, "unknown", {}),
        ("option", None, "udnie", {"strength": 3}),
        ("option", None, "udnie", {"quality": 0}),
    ],
)
def test_refusals_are_told_apart(stylize, metrics, encoded, photo, reason, image, style, options):
    with pytest.raises(InferenceServerException):
        stylize(encoded(photo, "JPEG") if image is None else image, style, **options)
    until(lambda: metrics.added("atelier_rejections_total", model="stylize", reason=reason) == 1)
    assert metrics.added("atelier_rejections_total") == 1
    assert metrics.added("atelier_requests_total", outcome="refused") == 1
    assert metrics.added("atelier_requests_total") == 1


def test_what_can_be_counted_is_there_before_it_happens(server):
    shown = series(scrape(server.metrics_url))
    for outcome in ("abandoned", "overloaded", "failed"):
        labels = frozenset({("model", "stylize"), ("outcome", outcome)})
        assert ("atelier_requests_total", labels) in shown
    assert ("nv_inference_request_summary_us", frozenset(LATENCY)) in shown


LATENCY = {("model", "stylize"), ("version", "1"), ("quantile", "0.99")}


class Utils:
    """Triton's module of Python models, as far as metrics go; `broken` says that it has none."""

    def __init__(self, broken: str = "") -> None:
        self.said: list[str] = []
        self.values: dict[tuple[str, str], float] = {}
        utils = self

        class Metric:
            def __init__(self, name, labels):
                self.key = name, labels.get("outcome", "")
                utils.values[self.key] = 0

            def increment(self, amount):
                utils.values[self.key] += amount

            observe = increment

        class MetricFamily:
            COUNTER, HISTOGRAM = "counter", "histogram"

            def __init__(self, name, description, kind):
                if broken:
                    raise RuntimeError(broken)
                assert name in (COUNTERS if kind == self.COUNTER else HISTOGRAMS)
                self.name = name

            def Metric(self, labels, buckets=None):  # noqa: N802
                return Metric(self.name, labels)

        class Logger:
            log_warn = self.said.append

        self.MetricFamily, self.Logger = MetricFamily, Logger


def test_the_end_sends_what_is_left():
    utils = Utils()
    metrics = ModelMetrics(utils, "m", ["image"])
    for _ in range(5):
        metrics.served(0.25)
    metrics.close()
    assert utils.values["atelier_requests_total", "served"] == 5
    assert utils.values["atelier_requests_total", "failed"] == 0
    assert utils.values["atelier_request_duration_seconds", ""] == 1.25


def test_a_triton_without_metrics_serves_all_the_same():
    utils = Utils("metrics not supported")
    metrics = ModelMetrics(utils, "m", ["image"])
    metrics.served(0.25)
    metrics.close()
    assert utils.said == ["m: no metrics of its own: metrics not supported"]
    assert utils.values == {}
