"""Training, validation and test parts of paintings that share no work, or no artist.

The parts are a function of the paintings' names and pixels alone, so they are the same in every
run.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from atelier_export.data.labelled_images import Part

Split = Literal["work", "artist"]

_HELD_OUT = 0.15
"""Share of the images in the validation part, and in the test part."""
_SAME_WORK = 0.95
"""Correlation above which two thumbnails count as photographs of one work."""


def artist_of(name: str) -> str:
    """The artist of `<movement>/<artist>_<title>.<suffix>`."""
    return PurePosixPath(name).stem.partition("_")[0]


def work_of(name: str) -> str:
    """The artist and the title without trailing numbers: the same for all images of a work.

    Plates of a series and versions of a subject count as one work too, which is on the safe side.
    A title that is only a number is kept.
    """
    artist, _, title = PurePosixPath(name).stem.partition("_")
    return f"{artist}_{re.sub(r'(-[0-9]+)+-?$', '', title)}"


def split_by_work(names: tuple[str, ...], images: Tensor) -> tuple[Part, ...]:
    """Assigns each image a part, all images of a work the same one.

    Args:
        names: N names.
        images: (N, 3, S, S) uint8.
    """
    works = [work_of(name) for name in names]
    # One work may have two titles, and be filed under two movements.
    first_of = dict(zip(works, works, strict=True))

    def root(work: str) -> str:
        while first_of[work] != work:
            work = first_of[work]
        return work

    for one, other in _look_alike(images):
        smaller, larger = sorted((root(works[one]), root(works[other])))
        first_of[larger] = smaller
    return tuple(_part(root(work)) for work in works)


def _part(work: str) -> Part:
    share = int.from_bytes(hashlib.sha256(work.encode()).digest()[:4], "big") / 2**32
    if share < _HELD_OUT:
        return "test"
    return "validation" if share < 2 * _HELD_OUT else "training"


def _look_alike(images: Tensor, block: int = 1024) -> Iterable[tuple[int, int]]:
    """Pairs of indices of images whose 16×16 thumbnails correlate like those of one work."""
    thumbnails = torch.cat(
        [F.adaptive_avg_pool2d(some.float(), 16).flatten(1) for some in torch.split(images, block)]
    )  # (N, 768)
    thumbnails = thumbnails - thumbnails.mean(dim=1, keepdim=True)
    thumbnails = F.normalize(thumbnails, dim=1)
    for first in range(0, len(thumbnails), block):
        alike = (thumbnails[first : first + block] @ thumbnails.T > _SAME_WORK).nonzero()
        for one, other in alike.tolist():
            if first + one < other:
                yield first + one, other


def split_by_artist(names: tuple[str, ...]) -> tuple[Part, ...]:
    """Assigns each image a part by its name, all images of an artist the same one.

    In each movement the artists are sorted by a hash and go to test and validation in turn, while
    these stay within their share, then to training. So an artist with most of a movement is
    trained on, and a movement of one artist is not tested.
    """
    # The movement of most of an artist's works
    movement_of: dict[str, str] = {}
    for (artist, movement), _ in Counter(
        (artist_of(name), PurePosixPath(name).parent.name) for name in names
    ).most_common():
        movement_of.setdefault(artist, movement)

    # The artists of each movement, to the part that lacks most of its share
    works = Counter(artist_of(name) for name in names)
    part_of: dict[str, Part] = {}
    for movement in sorted(set(movement_of.values())):
        artists = [artist for artist, its in movement_of.items() if its == movement]
        artists.sort(key=lambda artist: hashlib.sha256(artist.encode()).digest())
        share = _HELD_OUT * sum(works[artist] for artist in artists)
        missing: dict[Part, float] = {"test": share, "validation": share}
        for artist in artists:
            part: Part = max(missing, key=lambda each: missing[each])
            if works[artist] <= missing[part] + share / 10:
                missing[part] -= works[artist]
                part_of[artist] = part
            else:
                part_of[artist] = "training"
    return tuple(part_of[artist_of(name)] for name in names)
