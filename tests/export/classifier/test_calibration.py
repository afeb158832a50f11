import pytest
import torch

from atelier_export.classifier.calibration import fit_temperature, with_temperature
from atelier_export.classifier.network import Classifier, ClassifierConfig


def test_the_temperature_undoes_a_factor_of_calibrated_logits():
    random = torch.Generator().manual_seed(0)
    logits = torch.randn(4000, 5, generator=random) * 2
    labels = torch.multinomial(logits.softmax(dim=1), 1, generator=random)[:, 0]
    assert fit_temperature(logits, labels) == pytest.approx(1, abs=0.05)
    assert fit_temperature(3 * logits, labels) == pytest.approx(3, abs=0.15)


def test_the_temperature_is_in_the_last_layer_of_a_copy():
    network = Classifier(ClassifierConfig(3, stem=(4,), channels=(4,), blocks=(0,))).eval()
    image = torch.rand(2, 3, 16, 16)
    before = network(image)
    torch.testing.assert_close(with_temperature(network, 2.5)(image), before / 2.5)
    torch.testing.assert_close(network(image), before)
