"""Hypothesis strategies for Firestore values, fields and ids."""

from datetime import UTC, datetime

from google.cloud.firestore_v1 import GeoPoint
from google.cloud.firestore_v1.vector import Vector
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from twins.firestore.wire import Reference

# A busy machine makes an example slow, which says nothing about the code.
PATIENT = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=6).filter(
    lambda name: not name.startswith("__")
)
IDS = NAMES.filter(lambda name: "/" not in name and name not in {".", ".."})
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-2, 2),
    st.floats(),
    st.text(st.characters(codec="utf-8"), max_size=8),
    st.binary(max_size=8),
    st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001 - zone above
    st.builds(GeoPoint, st.floats(-90, 90), st.floats(-180, 180)),
    st.builds(lambda name: Reference(f"projects/p/databases/d/documents/c/{name}"), IDS),
    st.builds(Vector, st.lists(st.floats(allow_nan=False), min_size=1, max_size=3)),
)
VALUES = st.one_of(
    SCALARS,
    st.lists(SCALARS, max_size=3),
    st.dictionaries(NAMES, st.one_of(SCALARS, st.dictionaries(NAMES, SCALARS, max_size=2)), max_size=3),
)
FIELDS = st.dictionaries(NAMES, VALUES, max_size=5)
