"""Calibrated probabilities: one temperature, chosen on the validation part, in the last layer.

Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", arXiv:1706.04599, section 4.2.
"""

import copy

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from atelier_export.classifier.network import Classifier


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature T at which logits / T have the least cross-entropy.

    Args:
        logits: (n, K).
        labels: (n,) int64.

    Returns:
        T, above 0; below 1 where the logits are underconfident.
    """
    log_temperature = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([log_temperature], max_iter=100, line_search_fn="strong_wolfe")
    logits = logits.double()

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = F.cross_entropy(logits * (-log_temperature).exp(), labels)
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return float(log_temperature.detach().exp())


@torch.no_grad()
def with_temperature(network: Classifier, temperature: float) -> Classifier:
    """A copy whose logits are divided by a temperature."""
    calibrated = copy.deepcopy(network)
    calibrated.head.weight.div_(temperature)
    calibrated.head.bias.div_(temperature)
    return calibrated
