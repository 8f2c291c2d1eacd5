"""The data dictionary: every column of every source, every counter, every table and view, as Markdown.

Nothing is described here. Contracts, counters and the database's own comments are the only descriptions;
this module lays them out. ``docs/data-dictionary.md`` is its output, and a test keeps the two in step.
Write it again with ``python -m studio_assets.contracts.dictionary > docs/data-dictionary.md``.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence

from resources.postgres.comments import Relation, describe
from studio_assets.contracts.arrow import arrow_type
from studio_assets.contracts.catalog import FIRESTORE, STRIPE
from studio_assets.contracts.model import Collection, Column, PersonalData
from studio_assets.devices.section import MEANINGS
from studio_assets.studio_state.counters import COUNTERS

_HEAD = """\
# Data dictionary

This page is generated from the contracts, the counters and the database's comments. Do not edit it; see
`studio_assets/contracts/dictionary.py`.

Everything is derived from cloud. Instants are UTC; a date is a studio-local day; money is whole cents with
its currency beside it. Names, addresses, contacts and free text never leave their source; member ids are
pseudonyms. What a detector reads in memory only stands below a source's columns.

- [Sources](#sources): what is read from Firestore and Stripe, kept as Parquet, one file per read
- [Counters](#counters): the numbers of StudioState
- [Analysts' views](#analysts-views): schema `analytics`; start with [analysts.md](analysts.md)
- [Tables and internal views](#tables-and-internal-views): schema `studio`
"""

_SOURCES = """\
## Sources

Every row also has `document_id` (text, always present): the id in its source. A document without a required
column, or with a value outside its range, is quarantined with its reason and counted; an unknown value of a
listed set is kept and warned about. Column types are those of the Parquet files.
"""


def render() -> str:
    """Return the whole page. Depends on nothing but the code, so the same code gives the same page."""
    relations = describe()
    parts = [
        _HEAD,
        _SOURCES,
        *(_collection(contract) for contract in (*FIRESTORE, *STRIPE)),
        _counters(),
        "## Analysts' views\n",
        *(_relation(relation) for relation in relations if relation.schema == "analytics"),
        "## Tables and internal views\n",
        *(_relation(relation) for relation in relations if relation.schema != "analytics"),
    ]
    return "\n".join(parts)


def _collection(contract: Collection) -> str:
    lines = [f"### {contract.source}: {contract.name}", "", contract.grain]
    facts = [f"Source: `{contract.path}`"]
    if contract.documentation:
        facts.append(f"[described there]({contract.documentation})")
    whole = "always read whole"
    facts.append(f"changes seen by `{contract.change_column}`" if contract.change_column else whole)
    lines += ["", "; ".join(facts) + ".", ""]
    lines += [f"- {note}" for note in contract.notes]
    lines += [""] if contract.notes else []
    lines += _table(("Column", "Source field", "Type", "Meaning"), map(_column, contract.columns))
    if contract.in_memory:
        lines += ["", "Read in memory by a detector, never kept or told:", ""]
        rows = ((f"`{column.path}`", column.meaning) for column in contract.in_memory)
        lines += _table(("Source field", "What for"), rows)
    return "\n".join([*lines, ""])


def _column(column: Column) -> Sequence[str]:
    kind = f"{arrow_type(column)}{f', {column.unit}' if column.unit else ''}"
    return (f"`{column.name}`", f"`{column.path}`", kind, " ".join([column.meaning, *_rules(column)]))


def _rules(column: Column) -> Iterator[str]:
    if column.is_required:
        yield "Required."
    if column.values:
        yield f"One of {', '.join(f'`{value}`' for value in column.values)}."
    if column.aliases:
        yield f"Read as: {', '.join(f'`{given}` → `{meant}`' for given, meant in column.aliases)}."
    if column.minimum is not None or column.maximum is not None:
        yield f"Range {_number(column.minimum)} to {_number(column.maximum)}."
    if column.personal_data is PersonalData.PSEUDONYM:
        yield "Pseudonym of a person."


def _number(limit: float | None) -> str:
    return "any" if limit is None else f"{limit:,.15g}"


def _counters() -> str:
    lines = [
        "## Counters",
        "",
        "In `analytics.counters_daily` and `analytics.counter_history`. *Checked* says whether the source",
        "itself recounts it, for `analytics.drift`.",
        "",
    ]
    rows = (
        (
            f"`{counter.path}`",
            counter.unit,
            f"{counter.meaning} {counter.predicate}",
            ", ".join(counter.sources),
            f"no: {counter.not_comparable}" if counter.question is None else "yes",
        )
        for counter in COUNTERS
    )
    lines += _table(("Counter", "Unit", "Meaning and exact rule", "From", "Checked"), rows)
    lines += [
        "",
        "Of each connector (`hubitat`, `roborock`) there are the counters below, named like",
        "`devices.hubitat.online`. A snapshot whose devices are old, or that knows none, does not have them:",
        "what is not known is not zero.",
        "",
    ]
    devices = ((f"`devices.….{name}`", "devices", meaning) for name, meaning in MEANINGS.items())
    lines += _table(("Counter", "Unit", "Meaning and exact rule"), devices)
    return "\n".join([*lines, ""])


def _relation(relation: Relation) -> str:
    lines = [f"### {relation.schema}.{relation.name}", "", relation.meaning, ""]
    if relation.key:
        lines += [f"Key: {', '.join(f'`{name}`' for name in relation.key)}.", ""]
    rows = (
        (
            f"`{column.name}`",
            f"{column.type}{', may be null' if column.is_nullable else ''}",
            column.meaning,
        )
        for column in relation.columns
    )
    return "\n".join([*lines, *_table(("Column", "Type", "Meaning"), rows), ""])


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]


if __name__ == "__main__":
    sys.stdout.write(render())
