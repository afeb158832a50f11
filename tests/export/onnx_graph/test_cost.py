from types import SimpleNamespace

import numpy as np
import pytest
import torch

from atelier_export.onnx_graph import cost
from atelier_export.onnx_graph.cost import milliseconds, multiply_adds
from atelier_export.onnx_graph.runtime import cpu_session
from atelier_export.style.architectures import style_network_config
from atelier_export.style.network import StyleNetwork
from fakes.style_network import IN_TWO_STYLES, style_graph


def test_johnson_s_network_costs_what_its_layers_add_up_to():
    network = StyleNetwork(style_network_config("johnson", 1))
    full, half, quarter = 256**2, 128**2, 64**2
    layers = (
        full * 81 * 3 * 32 + half * 9 * 32 * 64 + quarter * 9 * 64 * 128
        + 10 * quarter * 9 * 128 * 128
        + half * 9 * 128 * 64 + full * 9 * 64 * 32 + full * 81 * 32 * 3
    )  # fmt: skip
    inputs = torch.zeros(1, 3, 256, 256), torch.zeros(1, 1)
    assert multiply_adds(network, *inputs) == pytest.approx(layers, rel=1e-4)


def test_graphs_take_turns_and_are_timed_by_name(monkeypatch):
    # The clock goes on by the milliseconds said here. Each graph runs twice a turn, the first time
    # to warm up; and so is the whole first turn.
    said = {"one": iter([9, 99, 9, 1, 9, 90, 9, 2]), "other": iter([9, 99, 9, 7, 9, 8, 9, 70])}
    names, order, seconds = iter(said), [], [0.0]

    class Session:
        def __init__(self, graph, threads):
            self.session, self.name = cpu_session(graph, threads), next(names)

        def run(self, outputs, feed):
            (painted,) = self.session.run(outputs, feed)
            assert painted.shape == (1, 32, 32, 3)
            order.append(self.name)
            seconds[0] += next(said[self.name]) / 1e3

    monkeypatch.setattr(cost, "cpu_session", Session)
    clock = SimpleNamespace(perf_counter=lambda: seconds[0])
    monkeypatch.setattr(cost, "time", clock)
    graphs = dict.fromkeys(said, style_graph(IN_TWO_STYLES.values()))
    feed = {
        "image": np.zeros((1, 32, 32, 3), np.uint8),
        "style": np.eye(1, 2, dtype=np.float32),
    }
    times = milliseconds(graphs, feed, threads=1, rounds=3)
    assert times == pytest.approx({"one": 2, "other": 8})
    assert order == ["one", "one", "other", "other"] * 4
