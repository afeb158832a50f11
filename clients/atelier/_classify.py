"""The movements and eras of an image: what is asked for, and how the answer is read."""

from dataclasses import dataclass

from atelier._calls import InferBytes
from atelier._conversation import Conversation
from atelier._errors import InvalidRequest, ServerFailed
from atelier._images import ImageSource, encoded_image
from atelier._numbers import whole_number

_EVERY_CLASS = 2**31 - 1
"""More than there are, of which Triton gives all."""


@dataclass(frozen=True)
class Label:
    """A movement or an era, and how probable it is.

    Attributes:
        name: As the server spells it, such as "ukiyo_e".
        probability: 0 to 1, to 6 decimal places.
    """

    name: str
    probability: float


@dataclass(frozen=True)
class Classification:
    """The movements and eras that an image may belong to, the most probable ones first.

    Example:
        >>> with Client("localhost:8001") as art:
        ...     found = art.classify("photo.jpg", top=3)
        >>> found.movement
        'impressionism'
        >>> [label.name for label in found.eras]
        ['modern', 'classical', 'abstract']

    Attributes:
        movements: As many as were asked for. The probabilities of all of them sum to 1.
        eras: All of them; their probabilities sum to 1.
    """

    movements: tuple[Label, ...]
    eras: tuple[Label, ...]

    @property
    def movement(self) -> str:
        """The name of the most probable movement."""
        return self.movements[0].name

    @property
    def era(self) -> str:
        """The name of the most probable era."""
        return self.eras[0].name


def classify(
    image: ImageSource, top: int | None, network_version: int | None
) -> Conversation[Classification]:
    """Asks `classify` for the movements and eras of an image.

    Raises:
        InvalidRequest: `top` is below 1, or above the number of movements, which Triton would not
            refuse.
        TypeError: `top` is no whole number.
    """
    if top is not None:
        top = whole_number("top", top, 1)
    response = yield InferBytes(
        "classify",
        {"image": encoded_image(image).data},
        {"probabilities": _EVERY_CLASS, "era_probabilities": _EVERY_CLASS},
        {"network_version": network_version},
    )
    movements = _labels(response["probabilities"])
    if top is not None and top > len(movements):
        raise InvalidRequest(
            f"top {top} is not possible: give 1 to {len(movements)}, the number of movements "
            "that the server has"
        )
    return Classification(movements[:top], _labels(response["era_probabilities"]))


def _labels(entries: list[bytes]) -> tuple[Label, ...]:
    """Reads what Triton's classification extension writes: PROBABILITY:INDEX:LABEL."""
    labels = []
    for entry in entries:
        try:
            probability, _, name = entry.decode().split(":", 2)
            labels.append(Label(name, float(probability)))
        except ValueError as error:
            raise ServerFailed(
                f"classify answered {entry[:60]!r}, which is no label with its probability",
                model="classify",
            ) from error
    return tuple(labels)
