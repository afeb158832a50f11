import copy
from dataclasses import replace

import pytest
import torch

from atelier_export.classifier.network import Classifier, ClassifierConfig
from atelier_export.classifier.settings import ClassifierSettings
from atelier_export.classifier.teacher import Teacher
from atelier_export.classifier.training import ClassifierTraining

SETTINGS = ClassifierSettings(
    steps=12, batch=8, side=16, last_side=24, components=4, warm_up=2, averaging=0.5
)
CONFIG = ClassifierConfig(2, stem=(4,), channels=(4, 8), blocks=(1, 1))


def _images():
    """Dark and light images."""
    labels = torch.arange(20) % 2
    random = torch.Generator().manual_seed(0)
    images = torch.randint(0, 100, (20, 3, 24, 24), generator=random)
    return (images + 120 * labels[:, None, None, None]).to(torch.uint8), labels


def _updates(settings=SETTINGS, taught=True):
    images, labels = _images()
    torch.manual_seed(0)
    teacher = None
    if taught:
        moments = torch.rand(20, 2, 3, 2, 2) + torch.tensor([0.0, 1.0])[:, None, None, None]
        teacher = Teacher(moments.half(), 2, settings.components)
        teacher.fit(labels)
    return ClassifierTraining(Classifier(CONFIG), images, labels, settings, teacher)


def _weights(updates):
    return torch.cat([weight.detach().flatten() for weight in updates.result.parameters()])


@pytest.mark.parametrize("taught", [True, False])
def test_a_training_learns(taught):
    updates = _updates(replace(SETTINGS, steps=60), taught)
    terms = [updates.update(step).terms for step in range(60)]
    assert terms[-1]["cross_entropy"] < 0.7 * terms[0]["cross_entropy"]
    images, labels = _images()
    logits = updates.result.eval()(images.float() / 255)
    assert (logits.argmax(dim=1) == labels).float().mean() > 0.9


def test_a_training_goes_on_exactly():
    whole = _updates()
    for step in range(8):
        whole.update(step)

    first = _updates()
    for step in range(4):
        first.update(step)
    state = copy.deepcopy({name: part.state_dict() for name, part in first.parts.items()})
    resumed = _updates()
    for name, part in resumed.parts.items():
        part.load_state_dict(state[name])
    for step in range(4, 8):
        resumed.update(step)

    assert (_weights(whole) == _weights(resumed)).all()


def test_another_seed_gives_other_weights():
    updates = [_updates(), _updates(replace(SETTINGS, seed=1))]
    for each in updates:
        each.update(0)
    assert (_weights(updates[0]) != _weights(updates[1])).any()


def test_balance_draws_rare_classes_as_often():
    images, _ = _images()
    labels = (torch.arange(20) >= 16).long()  # 16 and 4
    torch.manual_seed(0)
    updates = ClassifierTraining(Classifier(CONFIG), images, labels, replace(SETTINGS, balance=1))
    assert updates._frequencies[:16].sum() == pytest.approx(0.5)


@pytest.mark.parametrize("taught", [True, False])
def test_terms_are_scalars_without_gradient(taught):
    update = _updates(taught=taught).update(0)
    statistics = {"statistics"} if taught else set()
    assert set(update.terms) == {"cross_entropy", "error", *statistics}
    assert set(update.checked) == {"loss", "gradient"}
    values = [*update.terms.values(), *update.checked.values()]
    assert all(value.shape == () and not value.requires_grad for value in values)
