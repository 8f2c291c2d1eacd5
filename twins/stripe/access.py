"""Keys of the twin and what each may do.

``sk_test_twin_world_0001`` may do everything: the world writes with it. Any ``rk_test_...`` key may read, as
a restricted key with Read on every resource; ``rk_test_noaccess...`` has no permission at all. Every other
key is unknown.
"""

from collections.abc import Mapping
from enum import StrEnum

from twins.stripe.errors import not_authenticated, not_permitted

WORLD_KEY = "sk_test_twin_world_0001"
READER_KEY = "rk_test_twin_reader_0001"
NO_ACCESS_PREFIX = "rk_test_noaccess"
RESTRICTED_PREFIX = "rk_test_"


class Access(StrEnum):
    """What a key may do."""

    FULL = "full"
    READ = "read"
    NONE = "none"


def access_of(headers: Mapping[str, str]) -> Access:
    """Return what the request's key may do; raise 401 when it has none or an unknown one."""
    kind, _, key = headers.get("authorization", "").partition(" ")
    if not key or kind.lower() != "bearer":
        raise not_authenticated(has_key=False)
    if key == WORLD_KEY:
        return Access.FULL
    if key.startswith(NO_ACCESS_PREFIX):
        return Access.NONE
    if key.startswith(RESTRICTED_PREFIX) and len(key) > len(RESTRICTED_PREFIX):
        return Access.READ
    raise not_authenticated(has_key=True)


def require(access: Access, *, is_write: bool, permission: str) -> None:
    """Raise 403 when a key may not do what it asks; ``permission`` names the resource."""
    if is_write and access is not Access.FULL:
        raise not_permitted(f"rak_{permission}_write")
    if access is Access.NONE:
        raise not_permitted(f"rak_{permission}_read")
