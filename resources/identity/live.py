"""The verifier that the settings describe."""

from resources.clock import Clock
from resources.identity.firebase import FirebaseVerifier
from resources.identity.gateway import IdentityError
from resources.identity.keys import PublicKeys
from resources.identity.revocation import AccountLookup
from resources.settings import GOOGLE_KEYS_URL, Settings


def live_verifier(settings: Settings, clock: Clock) -> FirebaseVerifier:
    """Return the verifier of a deployment; nobody is asked before the first token.

    Raises:
        IdentityError: ``ISSUER_UNKNOWN`` when a pretend studio is observed whose issuer is not known: real
            identities have no business there.
    """
    url = settings.identity_keys_url or (None if settings.is_twin else GOOGLE_KEYS_URL)
    if url is None:
        raise IdentityError(
            "ISSUER_UNKNOWN",
            "The pretend studio's issuer of identities is not known: STUDIO_IDENTITY_KEYS_URL is not set."
            " ./studio twins up prints it, and ./studio up sets it for its parts.",
        )
    accounts = None
    if settings.identity_accounts_url is not None:
        accounts = AccountLookup(settings.identity_accounts_url, settings.identity_project)
    return FirebaseVerifier(
        settings.identity_project,
        PublicKeys(url),
        clock,
        accounts=accounts,
        valid_since=settings.tokens_valid_since,
    )
