"""The verifier that the settings describe."""

from typing import Final
from urllib.parse import urlsplit

from resources.clock import Clock
from resources.identity.firebase import FirebaseVerifier
from resources.identity.gateway import IdentityError, IdentityVerifier
from resources.identity.keys import PublicKeys
from resources.identity.revocation import AccountLookup
from resources.settings import GOOGLE_KEYS_URL, Settings

# INVARIANT: no other host is ever sent our access token.
GOOGLE_ACCOUNTS_HOST: Final = "identitytoolkit.googleapis.com"


def live_verifier(settings: Settings, clock: Clock) -> IdentityVerifier:
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
    return FirebaseVerifier(
        settings.identity_project,
        PublicKeys(url),
        clock,
        accounts=_accounts(settings),
        valid_since=settings.tokens_valid_since,
    )


def _accounts(settings: Settings) -> AccountLookup | None:
    url = settings.identity_accounts_url
    if url is None:
        return None
    bearer = None
    if not settings.is_twin and urlsplit(url).netloc == GOOGLE_ACCOUNTS_HOST:
        # Google's library takes a tenth of a second to import, which a pretend studio need not pay.
        from resources.identity.google_access import GoogleBearer  # noqa: PLC0415 - see above

        bearer = GoogleBearer(settings.google_credentials)
    return AccountLookup(url, settings.identity_project, bearer=bearer)
