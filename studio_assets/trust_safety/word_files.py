"""The text files of this room: ``[heading]`` lines, and under each what belongs to it, one item a line."""

from functools import cache
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).with_name("texts")


def sections(text: str) -> dict[str, tuple[str, ...]]:
    """Return the lines under each heading, but no empty ones and comments; ``KeyError`` before any."""
    found: dict[str, list[str]] = {}
    heading = ""
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith("[") and line.endswith("]"):
            heading = line[1:-1]
            found.setdefault(heading, [])
        elif line and not line.startswith("# "):
            found[heading].append(line)
    return {name: tuple(lines) for name, lines in found.items()}


@cache
def word_file(name: str) -> dict[str, tuple[str, ...]]:
    """Return the sections of a file in this room's folder of texts; read once."""
    return sections(FOLDER.joinpath(f"{name}.txt").read_text(encoding="utf-8"))
