"""Three parts of a collection of paintings that share no work, or no artist.

A part is a function of the paintings' names and pixels alone, so every run sees the same ones.
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
"""Share of the images for the validation, and for the test."""
_SAME_WORK = 0.95
"""Correlation of two thumbnails from which they are taken for photographs of one work."""


def artist_of(name: str) -> str:
    """The artist of `<movement>/<artist>_<title>.<suffix>`."""
    return PurePosixPath(name).stem.partition("_")[0]


def work_of(name: str) -> str:
    """What all names of a work share: artist and title without the numbers at its end.

    So the plates of a series and the versions of a subject count as one work, which is on the safe
    side. A title that is a number alone stays.
    """
    artist, _, title = PurePosixPath(name).stem.partition("_")
    return f"{artist}_{re.sub(r'(-[0-9]+)+-?$', '', title)}"


def split_by_work(names: tuple[str, ...], images: Tensor) -> tuple[Part, ...]:
    """A part for each image, so that no work is in two.

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
    """Pairs of places whose thumbnails of 16×16 pixels correlate like two images of one work."""
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
    """A part for each name, so that no artist is in two.

    In each movement the artists come in the order of a hash; test and validation take them, in
    turn, as long as these stay within their share. So an artist with most of a movement is trained
    on, and a movement of one artist is not tested.
    """
    movement_of: dict[str, str] = {}
    for (artist, movement), _ in Counter(
        (artist_of(name), PurePosixPath(name).parent.name) for name in names
    ).most_common():
        movement_of.setdefault(artist, movement)  # that of most works
    works = Counter(artist_of(name) for name in names)
    part_of: dict[str, Part] = {}
    for movement in sorted(set(movement_of.values())):
        artists = [artist for artist, its in movement_of.items() if its == movement]
        artists.sort(key=lambda artist: hashlib.sha256(artist.encode()).digest())
        room = _HELD_OUT * sum(works[artist] for artist in artists)
        left: dict[Part, float] = {"test": room, "validation": room}
        for artist in artists:
            part: Part = max(left, key=lambda each: left[each])
            if works[artist] <= left[part] + room / 10:
                left[part] -= works[artist]
                part_of[artist] = part
            else:
                part_of[artist] = "training"
    return tuple(part_of[artist_of(name)] for name in names)
