"""What `atelier demo` shows of the generator: new paintings of every movement."""

from PIL import Image

from atelier._cli.contact_sheet import contact_sheet
from atelier._client import Client

_SEED = 1
_COUNT = 6
"""Of each movement; few enough for the width of a screen."""


def generated_sheet(art: Client) -> Image.Image:
    """A row of paintings for every movement; those of a column share a latent."""
    rows = [
        (movement, art.generate(_COUNT, movement=movement, seed=_SEED))
        for movement in art.movements()
    ]
    return contact_sheet([f"seed {_SEED}, image {number}" for number in range(_COUNT)], rows)
