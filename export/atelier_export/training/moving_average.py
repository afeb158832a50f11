"""An exponential moving average of a network's weights (Polyak & Juditsky 1992)."""

from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


def moving_average(network: nn.Module, decay: float) -> AveragedModel:
    """An averaged copy of the network, the `module` of the result.

    Call `update_parameters(network)` after each step; the first call copies the weights.

    Args:
        network: The trained network.
        decay: The old average's share in each update, 0..1.
    """
    average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    # The running means of batch normalisation are buffers and are averaged too.
    return AveragedModel(network, multi_avg_fn=average, use_buffers=True)
