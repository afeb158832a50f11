import pytest

from atelier_export.network_cost import milliseconds, multiply_adds
from atelier_export.style.graph import style_graph
from atelier_export.style.network import StyleNetwork, StyleNetworkConfig
from atelier_export.style.networks import style_network_config


def test_johnson_s_network_costs_what_its_layers_add_up_to():
    network = StyleNetwork(style_network_config("johnson", 1))
    full, half, quarter = 256**2, 128**2, 64**2
    layers = (
        full * 81 * 3 * 32 + half * 9 * 32 * 64 + quarter * 9 * 64 * 128
        + 10 * quarter * 9 * 128 * 128
        + half * 9 * 128 * 64 + full * 9 * 64 * 32 + full * 81 * 32 * 3
    )  # fmt: skip
    assert multiply_adds(network, 1) == pytest.approx(layers, rel=1e-4)


def test_graphs_are_timed_by_name():
    small = StyleNetworkConfig(2, patch=4, channels=(8,), blocks=(0,))
    large = StyleNetworkConfig(2, patch=1, channels=(16, 32), blocks=(0, 2))
    graphs = {
        name: style_graph(StyleNetwork(config).eval())
        for name, config in (("small", small), ("large", large))
    }
    times = milliseconds(graphs, threads=1, styles=2, side=128, rounds=3)
    assert 0 < times["small"] < times["large"]
