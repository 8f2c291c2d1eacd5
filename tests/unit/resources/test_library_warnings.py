"""From a date on Google's library warns of the Python version; a process of ours does not pass that on."""

import warnings
from datetime import date

import pytest
from google.api_core._python_version_support import check_python_version

from resources.library_warnings import hide_calendar_warnings

DAYS = [date(2027, 9, 1), date(2028, 3, 1), date(2040, 1, 1)]  # near the end of 3.11, past it, past all


@pytest.mark.parametrize("day", DAYS)
def test_the_age_of_python_is_not_told(day):
    """Nothing is said once the filter is there; without it something would be, at the last at the latest."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        hide_calendar_warnings()
        check_python_version("google.api_core", day)
    assert not said
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        check_python_version("google.api_core", DAYS[-1])
    assert [warning.category for warning in said] == [FutureWarning]


def test_what_others_say_of_the_future_is_told():
    """Only that library is quiet."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        hide_calendar_warnings()
        warnings.warn("this will be another thing", FutureWarning, stacklevel=1)
    assert len(said) == 1
