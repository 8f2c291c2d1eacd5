"""The shape of a contract: what a column is, and what a collection is.

Contracts are data. The reader, the Parquet schema, the Great Expectations suites and the data dictionary
are all built from them, so a column is described exactly once.
"""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """How a column is read and stored."""

    TEXT = "text"  # free-form identifiers and labels; never personal data
    ENUM = "enum"  # one of ``values`` after folding case; an unknown value is kept and warned about
    INTEGER = "integer"  # 64-bit
    CENTS = "cents"  # integer minor units; the currency stands in its own column
    DOLLARS = "dollars"  # the source holds dollars as a float; stored as integer cents, half-even
    NUMBER = "number"  # quantities that are not money; float64
    BOOLEAN = "boolean"
    INSTANT = "instant"  # timestamp, ISO text, epoch seconds or milliseconds in; aware UTC microseconds out
    DATE = "date"  # YYYY-MM-DD, studio-local


class PersonalData(StrEnum):
    """Personal-data class of a column. Only the first two may be kept."""

    NONE = "none"
    PSEUDONYM = "pseudonym"
    FREE_TEXT = "free_text"  # written by people; only among what is read in memory


class Case(StrEnum):
    """How the case of a text value is folded before comparison and storage."""

    KEEP = "keep"
    UPPER = "upper"
    LOWER = "lower"


@dataclass(frozen=True, slots=True)
class Column:
    """One column: where it comes from, what it means, what is allowed.

    Attributes:
        name: snake_case name in our tables, with the unit as suffix where it has one.
        path: Field path in the source document (``pickupWindow.status``).
        kind: How it is read and stored.
        meaning: One sentence for the data dictionary.
        values: Known values of an ``ENUM``, after folding; empty otherwise.
        aliases: Source spellings mapped to a known value (``CANCELED`` -> ``CANCELLED``).
        case: Folding applied before ``aliases`` and ``values``.
        is_required: A document without it is quarantined. Default: tolerated as null.
        minimum: Smallest allowed number, inclusive; below it the document is quarantined.
        maximum: Largest allowed number, inclusive.
        unit: ``cents``, ``half-shelves``, ``hours``…; null for plain values.
        personal_data: Personal-data class.
    """

    name: str
    path: str
    kind: Kind
    meaning: str
    values: tuple[str, ...] = ()
    aliases: tuple[tuple[str, str], ...] = ()
    case: Case = Case.KEEP
    is_required: bool = False
    minimum: float | None = None
    maximum: float | None = None
    unit: str | None = None
    personal_data: PersonalData = PersonalData.NONE


@dataclass(frozen=True, slots=True)
class Collection:
    """One source collection: grain, columns and how it can be read.

    Attributes:
        name: snake_case asset name (``kiln_firings``).
        source: ``firestore`` or ``stripe``.
        path: Name in the source (``kilnFirings``, ``payment_intents``).
        grain: "One row per …".
        columns: The only fields that are requested and kept. ``document_id`` is added to every row.
        in_memory: Fields one detector reads in memory besides. Neither they nor anything that repeats them
            is kept or told: no file, table, metadata or log; only a classification and a hash of them is.
        change_column: Column that every writer of a kept column touches, or null where the contract knows a
            writer that does not; without one the collection is always read whole.
        notes: Traps a reader of the data must know.
        documentation: Where the source's own description is.
    """

    name: str
    source: str
    path: str
    grain: str
    columns: tuple[Column, ...]
    change_column: str | None = None
    notes: tuple[str, ...] = ()
    documentation: str = ""
    in_memory: tuple[Column, ...] = ()

    @property
    def field_paths(self) -> tuple[str, ...]:
        """Return the projection requested from the server."""
        return tuple(column.path for column in self.columns)

    def column(self, name: str) -> Column:
        """Return the column called ``name``; raise ``KeyError`` when the contract has none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"{self.name} has no column {name!r}")
