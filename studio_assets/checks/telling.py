"""How checks that were judged are told to Dagster and to the run book: one result each, in one order."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import dagster as dg

from studio_assets.run_book import CheckOutcome, RunBook


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of the checks of one asset.

    Attributes:
        broken: Check -> what breaks it, in words; empty where it holds.
        in_words: Check -> what it says.
        rows: How many rows were looked at.
    """

    broken: Mapping[str, Sequence[str]]
    in_words: Mapping[str, str]
    rows: int


def check_specs(in_words: Mapping[dg.AssetKey, Mapping[str, str]]) -> list[dg.AssetCheckSpec]:
    """Return the checks of some assets; none of them blocks."""
    return [
        dg.AssetCheckSpec(name, asset=key, description=said)
        for key, checks in in_words.items()
        for name, said in checks.items()
    ]


def told(
    selected: Collection[dg.AssetCheckKey], judged: Mapping[dg.AssetKey, Judged], run_book: RunBook
) -> Iterator[dg.AssetCheckResult]:
    """Yield the result of every check that was asked for, and write it into the run book; they warn."""
    for check in sorted(selected, key=lambda one: (one.asset_key.path, one.name)):
        one = judged[check.asset_key]
        broken = one.broken[check.name]
        asset = "/".join(check.asset_key.path[1:])
        run_book.checks.append(CheckOutcome(asset, check.name, not broken, False, tuple(broken)))
        yield dg.AssetCheckResult(
            asset_key=check.asset_key,
            check_name=check.name,
            passed=not broken,
            severity=dg.AssetCheckSeverity.WARN,
            description="; ".join(broken) or one.in_words[check.name],
            metadata={"broken": len(broken), "rows": one.rows},
        )
