import json
import math

import pytest
import torch

from atelier_export.classifier.figures import (
    calibration_error,
    classification_figures,
    plot_confusion,
)
from atelier_export.classifier.network import Classifier, ClassifierConfig
from atelier_export.classifier.prediction import predict

CLASSES = ("a", "b", "c", "d")
GROUPS = {"vowel": ("a",), "consonant": ("b", "c", "d")}


def test_predictions_do_not_depend_on_the_batch():
    torch.manual_seed(0)
    network = Classifier(ClassifierConfig(3, stem=(4,), channels=(4,), blocks=(1,)))
    images = torch.randint(0, 256, (5, 3, 16, 16), dtype=torch.uint8)
    logits = predict(network, images, batch=2)
    assert logits.shape == (5, 3)
    torch.testing.assert_close(logits, predict(network, images, batch=5))
    torch.testing.assert_close(logits[:1], network(images[:1] / 255))


@pytest.fixture
def figures():
    probabilities = torch.tensor(
        [
            [0.7, 0.1, 0.1, 0.1],  # a, right
            [0.1, 0.6, 0.2, 0.1],  # b, right
            [0.1, 0.2, 0.6, 0.1],  # b, taken for c, second likeliest
            [0.4, 0.3, 0.1, 0.2],  # b, taken for a
            [0.3, 0.4, 0.1, 0.2],  # c, taken for b, least likely
        ]
    )
    return classification_figures(probabilities, torch.tensor([0, 1, 1, 1, 2]), CLASSES, GROUPS)


def test_shares_and_their_errors(figures):
    assert figures["accuracy"]["value"] == pytest.approx(2 / 5)
    assert figures["accuracy"]["standard_error"] == pytest.approx(math.sqrt(0.4 * 0.6 / 5))
    assert figures["top_3_accuracy"]["value"] == pytest.approx(4 / 5)
    assert figures["balanced_accuracy"]["value"] == pytest.approx((1 + 1 / 3 + 0) / 3)
    expected = math.sqrt(1 / 3 * 2 / 3 / 3) / 3
    assert figures["balanced_accuracy"]["standard_error"] == pytest.approx(expected)
    assert figures["macro_f1"] == pytest.approx((2 / 3 + 2 / 5 + 0) / 3)


def test_classes_without_an_image_have_no_recall(figures):
    assert figures["classes"]["d"] == {"images": 0, "recall": None, "precision": None}
    assert figures["classes"]["b"] == {
        "images": 3,
        "recall": pytest.approx(1 / 3),
        "precision": pytest.approx(1 / 2),
    }


def test_rows_of_the_confusion_matrix_are_the_true_classes(figures):
    assert figures["confusion"] == [[1, 0, 0, 0], [1, 1, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]]


def test_groups_add_the_probabilities_of_their_classes(figures):
    # Of the last three, all are consonants by the sum, the fourth although `a` is likeliest.
    assert figures["groups"]["accuracy"]["value"] == 1
    assert figures["groups"]["confusion"] == [[1, 0], [0, 4]]


def test_the_result_is_plain_json(figures):
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures


def test_the_calibration_error_is_the_distance_of_confidence_and_accuracy():
    sure = torch.tensor([[0.9, 0.1]] * 10)
    labels = torch.tensor([0] * 6 + [1] * 4)
    assert calibration_error(sure, labels) == pytest.approx(0.3, abs=1e-6)
    assert calibration_error(sure, torch.tensor([0] * 9 + [1])) == pytest.approx(0, abs=1e-6)


def test_the_plot_names_the_classes_and_shows_shares(figures):
    axes = plot_confusion(figures["confusion"], CLASSES).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == list(CLASSES)
    assert [text.get_text() for text in axes.texts][:5] == ["100%", "0%", "0%", "0%", "33%"]
