"""Many looks reconciled in one go say what each of them says alone."""

from datetime import timedelta
from itertools import islice

import pytest

from cockpit.cli.evaluation.side_by_side import reconcile_all
from cockpit.cli.evaluation.year import TIMEZONE, simulate
from studio_assets.finance.reconcile import reconcile
from studio_assets.finance.tables import SOURCES


def test_side_by_side_every_look_says_what_it_says_alone():
    """To the cent and to the evidence; looks far apart, so that few are enough to hold much."""
    days = list(islice(simulate(11, 60, only=SOURCES), 3, None, 14))
    looks = [(day.tables, day.as_of) for day in days]
    alone = [reconcile(tables, as_of=as_of, timezone=TIMEZONE) for tables, as_of in looks]
    assert reconcile_all(looks, timezone=TIMEZONE) == alone
    assert sum(len(found.discrepancies) for found in alone) > 20


def test_looks_at_different_hours_are_refused():
    day = next(simulate(11, 1, only=SOURCES))
    looks = [(day.tables, day.as_of), (day.tables, day.as_of + timedelta(hours=1))]
    with pytest.raises(ValueError, match="whole days apart"):
        reconcile_all(looks, timezone=TIMEZONE)
    assert reconcile_all([], timezone=TIMEZONE) == []
