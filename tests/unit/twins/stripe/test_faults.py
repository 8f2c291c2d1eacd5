"""Faults strike the requests they wait for, as often as they should."""

from twins.stripe.faults import FaultAction, Faults


def test_a_fault_waits_for_its_path_and_method():
    """Other lists are not touched; a list's single objects are."""
    faults = Faults()
    faults.fail(503, path="charges")
    assert faults.take("GET", "refunds") is None
    assert faults.take("POST", "charges") is None
    assert faults.take("GET", "charges").status == 503
    assert faults.take("GET", "charges") is None


def test_skips_come_first_then_the_strikes():
    """The third and fourth request fail, the rest pass."""
    faults = Faults()
    faults.fail(500, times=2, skip=2)
    assert [faults.take("GET", "charges") is not None for _ in range(6)] == [
        False,
        False,
        True,
        True,
        False,
        False,
    ]


def test_a_lasting_fault_ends_when_cleared():
    """``times=None`` means until cleared."""
    faults = Faults()
    faults.spoil(FaultAction.HANG, times=None)
    assert all(faults.take("GET", "charges") for _ in range(5))
    faults.clear()
    assert faults.take("GET", "charges") is None


def test_the_rate_limit_refills_with_time():
    """Two a second: two pass at once, the third waits half a second."""
    faults = Faults()
    assert faults.is_over_limit(100.0) is False
    faults.requests_per_second = 2
    assert [faults.is_over_limit(100.0) for _ in range(3)] == [False, False, True]
    assert [faults.is_over_limit(100.5) for _ in range(2)] == [False, True]
