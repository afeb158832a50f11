import numpy as np
import pytest
import torch
from PIL import Image

from atelier_export.classifier.network import Classifier, ClassifierConfig
from atelier_export.classifier.serving import ServedClassifier, group_matrix
from atelier_export.data.paintings import resize_to_square


@pytest.fixture(scope="module")
def served():
    torch.manual_seed(0)
    network = Classifier(ClassifierConfig(3, stem=(4,), channels=(4, 8), blocks=(1, 1))).eval()
    groups = group_matrix(("a", "b", "c"), {"second": ("c", "a"), "first": ("b",)})
    return ServedClassifier(network, 32, groups).eval()


def _smooth_image(height, width):
    coarse = np.random.default_rng(0).integers(0, 256, (5, 4, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def test_group_probabilities_are_sums(served):
    images = torch.randint(0, 256, (2, 20, 50, 3), dtype=torch.uint8)
    probabilities, groups = served(images)
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(2))
    torch.testing.assert_close(groups[:, 0], probabilities[:, 0] + probabilities[:, 2])
    torch.testing.assert_close(groups[:, 1], probabilities[:, 1])


@pytest.mark.parametrize("size", [(16, 16), (32, 32), (100, 47), (17, 300), (256, 256)])
def test_images_are_resized_as_for_the_training(served, size):
    image = _smooth_image(*size)
    seen = {}
    hook = served.network.register_forward_pre_hook(lambda _, x: seen.update(x=x[0]))
    served(torch.from_numpy(np.array(image))[None])
    hook.remove()
    expected = torch.from_numpy(np.array(resize_to_square(image, 32))).permute(2, 0, 1)[None]
    assert (seen["x"] * 255 - expected).abs().max() <= 1.001
    # Pillow rounds after the rows, too.
    assert (seen["x"] * 255 - expected).abs().mean() <= 0.25


def test_an_image_of_the_size_of_the_training_is_not_changed(served):
    image = torch.randint(0, 256, (1, 32, 32, 3), dtype=torch.uint8)
    probabilities = served.network(image.permute(0, 3, 1, 2) / 255).softmax(dim=1)
    torch.testing.assert_close(served(image)[0], probabilities)
