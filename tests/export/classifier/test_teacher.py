import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from atelier_export.classifier import teacher as teacher_module
from atelier_export.classifier.augmentation import Windows
from atelier_export.classifier.teacher import (
    CHANNELS,
    GRID,
    LAYERS,
    Teacher,
    cell_moments,
    cell_moments_in,
    fit_probe,
    window_statistics,
)
from atelier_export.losses.vgg import VGG19


def _moments_of(x, cells):
    mean, square = (F.adaptive_avg_pool2d(each, cells) for each in (x, x.square()))
    return torch.stack([mean, square.sqrt()], dim=1)


@pytest.fixture
def activations():
    return torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 5


def test_a_window_along_the_cells_has_the_statistics_of_its_activations(activations):
    windows = Windows(torch.tensor([[0.25, 0.0], [0.5, 0.5]]), torch.tensor([[0.75, 0.5]] * 2))
    windows.size[1] = 0.5
    statistics = window_statistics(_moments_of(activations, 4), windows)
    for number, part in enumerate((activations[0, :, :4, 2:], activations[1, :, 4:, 4:])):
        expected = torch.cat([part.mean(dim=(1, 2)), part.flatten(1).std(dim=1, correction=0)])
        torch.testing.assert_close(statistics[number], expected)


def test_cells_count_by_what_a_window_covers_of_them(activations):
    moments = _moments_of(activations[:1], 2)
    windows = Windows(torch.tensor([[0.25, 0.0]]), torch.tensor([[0.5, 0.75]]))
    # Half of either column; all of the first row and half of the second.
    mean = moments[0, 0].mean(dim=2) @ torch.tensor([2 / 3, 1 / 3])
    torch.testing.assert_close(window_statistics(moments, windows)[0, :3], mean)


def test_without_a_window_there_are_the_statistics_of_the_whole_image(activations):
    statistics = window_statistics(_moments_of(activations, 4))
    torch.testing.assert_close(statistics[:, :3], activations.mean(dim=(2, 3)))
    deviation = activations.flatten(2).std(dim=2, correction=0)
    torch.testing.assert_close(statistics[:, 3:], deviation)


def test_the_moments_are_those_of_the_loss_network(vgg_file):
    vgg = VGG19.load(vgg_file)
    image = torch.rand(1, 3, 64, 64)
    moments = cell_moments(vgg, image)
    assert moments.shape == (1, 2, CHANNELS, GRID, GRID)
    deepest = vgg(image, LAYERS)["relu5_1"]  # (1, 512, 4, 4): a value a cell
    torch.testing.assert_close(moments[0, 0, -512:].float(), deepest[0], rtol=0.1, atol=0.05)


def test_moments_are_computed_once(vgg_file, tmp_path, monkeypatch):
    images = torch.zeros(2, 3, 64, 64, dtype=torch.uint8)
    first = cell_moments_in(tmp_path / "kept", vgg_file, images).clone()
    monkeypatch.setattr(teacher_module, "cell_moments", lambda *_: torch.ones(1))
    again = cell_moments_in(tmp_path / "kept", vgg_file, images)
    assert (first == again).all()
    others = cell_moments_in(tmp_path / "kept", vgg_file, images + 1)
    assert (others == 1).all()


def test_a_probe_finds_the_minimum_of_its_loss():
    random = torch.Generator().manual_seed(0)
    x = torch.randn(60, 4, generator=random)
    labels = (x @ torch.randn(4, 3, generator=random)).argmax(dim=1)
    weight, bias = fit_probe(x, labels, 3, weight_decay=0.1)
    # At the minimum the gradient is zero: -d loss / d W = (target - p)ᵀ x / n - 0.1 W.
    surplus = F.one_hot(labels, 3) - F.linear(x, weight, bias).softmax(dim=1)
    torch.testing.assert_close(surplus.T @ x / 60, 0.1 * weight, atol=1e-3, rtol=0)
    torch.testing.assert_close(surplus.sum(dim=0), torch.zeros(3), atol=0.05, rtol=0)


@pytest.fixture
def fitted():
    random = torch.Generator().manual_seed(0)
    labels = torch.arange(160) % 2
    moments = torch.rand(160, 2, 6, 2, 2, generator=random) * 0.2
    moments[:, 0, 0] += labels[:, None, None]
    moments[:, 1] = moments[:, 0] + 0.1 + 0.1 * torch.rand(160, 6, 2, 2, generator=random)
    teacher = Teacher(moments.half(), classes=2, components=5)
    teacher.fit(labels)
    return teacher, labels


def _whole(count):
    return Windows(torch.zeros(count, 2), torch.ones(count, 2))


def test_a_teacher_says_what_an_image_shows_and_whitens_its_statistics(fitted):
    teacher, labels = fitted
    probabilities, components = teacher(torch.arange(160), _whole(160))
    assert (probabilities.argmax(dim=1) == labels).all()
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(160))
    covariance = components.T @ components / 160
    torch.testing.assert_close(covariance, torch.eye(5), atol=0.02, rtol=0)


def test_what_a_teacher_says_of_an_image_does_not_depend_on_its_label(fitted):
    teacher, labels = fitted
    before, _ = teacher(torch.arange(16), _whole(16))
    labels = labels.clone()
    labels[:16] = 0  # all of one fold
    teacher.fit(labels)
    after, _ = teacher(torch.arange(16), _whole(16))
    torch.testing.assert_close(before, after)
