"""All contracts, and how to find one by name. Nothing is described here; see the module of each subject."""

from studio_assets.contracts.commerce import COMMERCE
from studio_assets.contracts.community import COMMUNITY
from studio_assets.contracts.model import Collection
from studio_assets.contracts.production import PRODUCTION
from studio_assets.contracts.stripe import STRIPE_TYPES

FIRESTORE: tuple[Collection, ...] = (*PRODUCTION, *COMMUNITY, *COMMERCE)
STRIPE: tuple[Collection, ...] = STRIPE_TYPES
ALL: tuple[Collection, ...] = (*FIRESTORE, *STRIPE)

_BY_NAME = {contract.name: contract for contract in ALL}


def collection(name: str) -> Collection:
    """Return the contract of the asset called ``name``; raise ``KeyError`` naming the known ones."""
    try:
        return _BY_NAME[name]
    except KeyError:
        raise KeyError(f"no contract is called {name!r}; known: {', '.join(sorted(_BY_NAME))}") from None
