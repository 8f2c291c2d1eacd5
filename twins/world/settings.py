"""What fixes a world: seed, first day, size, and whether anything goes wrong in it.

Two worlds with equal settings are equal document by document, whenever and wherever they are run.
"""

from dataclasses import dataclass, field
from datetime import date

LARGEST_DOCUMENT_COUNT = 1_000_000
SMALL_WORLD_DOCUMENTS = 3_000  # of a small world after sixty days, measured; turns a number into a scale
LARGEST_COUNTED_SCALE = 5.0  # beyond it, more documents come from the archive and not from busier days
_NAMED_SCALES = {"small": 1.0, "medium": 5.0, "large": 25.0}


@dataclass(frozen=True, slots=True)
class Size:
    """How much of a studio there is.

    Attributes:
        name: What was asked for.
        scale: Arrivals per day relative to the small studio; kilns grow with it.
        target_documents: Documents the world should hold after sixty days, filled up by the archive of
            earlier years; null when only ``scale`` was asked for.
    """

    name: str
    scale: float
    target_documents: int | None = None


def parse_size(text: str) -> Size:
    """Return the size named ``small``, ``medium`` or ``large``, or meant by a number of documents.

    Raises:
        ValueError: for anything else, with a sentence for the person who typed it.
    """
    name = text.strip().lower()
    if name in _NAMED_SCALES:
        return Size(name, _NAMED_SCALES[name])
    if not name.isdigit() or not 1 <= int(name) <= LARGEST_DOCUMENT_COUNT:
        raise ValueError(
            f"size {text!r} is not small, medium, large"
            f" or a number of documents from 1 to {LARGEST_DOCUMENT_COUNT}"
        )
    documents = int(name)
    return Size(name, min(LARGEST_COUNTED_SCALE, documents / SMALL_WORLD_DOCUMENTS), documents)


SMALL = Size("small", _NAMED_SCALES["small"])


@dataclass(frozen=True, slots=True)
class WorldSettings:
    """The arguments of a world.

    Attributes:
        seed: Any integer.
        first_day: Studio-local day on which the cloud first holds the studio.
        size: How much of it there is.
        has_incidents: Whether incidents and troublesome habits happen; without them nothing in the studio
            asks for a person's attention.
    """

    seed: int
    first_day: date
    size: Size = field(default=SMALL)
    has_incidents: bool = True
