"""The architectures of style networks that the model card compares, by name."""

from atelier_export.style.network import StyleNetworkConfig

ARCHITECTURES: dict[str, dict[str, object]] = {
    # Johnson et al. 2016, and the same with half the channels.
    "johnson": {"patch": 1, "channels": (32, 64, 128), "blocks": (0, 0, 5)},
    "narrow": {"patch": 1, "channels": (16, 32, 64), "blocks": (0, 0, 5)},
    # All the work at a quarter of the resolution, from patches of 4×4 pixels.
    "quarter": {"patch": 4, "channels": (64,), "blocks": (6,)},
    "bottleneck": {"patch": 4, "channels": (96,), "blocks": (8,), "block": "bottleneck"},
    # Most of it at an eighth.
    "eighth": {"patch": 4, "channels": (48, 128), "blocks": (0, 5)},
}
"""Everything of a `StyleNetworkConfig` but the number of styles."""


def style_network_config(name: str, styles: int) -> StyleNetworkConfig:
    """The architecture called `name`, for some styles; raises KeyError for an unknown name."""
    return StyleNetworkConfig(styles, **ARCHITECTURES[name])  # type: ignore[arg-type]
