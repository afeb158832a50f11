import torch

from atelier_export.losses.perceptual import PerceptualLoss
from atelier_export.losses.vgg import VGG19
from atelier_export.style.content_cache import ContentCache


def test_each_crop_is_looked_at_once(vgg_file):
    torch.manual_seed(0)
    loss = PerceptualLoss(VGG19.load(vgg_file), [torch.rand(3, 32, 32)])
    contents = ContentCache(loss)
    crops = torch.rand(3, 3, 32, 40)
    first = contents([7, 3], crops[:2])
    torch.testing.assert_close(first, loss.content(crops[:2]))
    # The second time the number counts, not the pixels; what is new is looked at.
    second = contents([3, 9], torch.stack([crops[0], crops[2]]))
    assert torch.equal(second[0], first[1])
    torch.testing.assert_close(second[1:], loss.content(crops[2:]))
