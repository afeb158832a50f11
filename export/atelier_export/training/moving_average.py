"""An exponential moving average of a network's weights (Polyak & Juditsky 1992)."""

from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


def moving_average(network: nn.Module, decay: float) -> AveragedModel:
    """A copy of the network, `module` of the result, that follows it.

    `update_parameters(network)` moves it after each step; the first one copies.

    Args:
        network: The one that is trained.
        decay: Share of the average that a step leaves, 0..1.
    """
    average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    # Buffers, such as the running means of batch normalisation, belong to the weights.
    return AveragedModel(network, multi_avg_fn=average, use_buffers=True)
