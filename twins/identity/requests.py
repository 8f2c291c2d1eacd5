"""What a person may ask of the pretend issuer through the control server: tokens, rotation, revocation."""

from collections.abc import Mapping
from typing import Any, Final

from twins.identity.issuer import LONGEST_SECONDS, Issuer, IssueRefusedError

ACTS: Final = ("rotate", "revoke", "disable", "enable")


def issue(issuer: Issuer, given: Mapping[str, Any]) -> dict[str, Any]:
    """Answer ``POST /tokens``: ``uid``, and perhaps ``claims``, ``seconds``, ``name``, ``tenant``.

    Raises:
        IssueRefusedError: for anything that is not a wish for a token.
    """
    _refuse_unknown(given, {"uid", "claims", "seconds", "name", "tenant"})
    uid, claims = given.get("uid"), given.get("claims", {})
    seconds = given.get("seconds", LONGEST_SECONDS)
    if not isinstance(uid, str):
        raise IssueRefusedError("uid is a text")
    if not isinstance(claims, dict):
        raise IssueRefusedError("claims is an object")
    if not isinstance(seconds, int):
        raise IssueRefusedError("seconds is a whole number from 1 to 3600")
    name, tenant = given.get("name"), given.get("tenant")
    if not isinstance(name, str | None) or not isinstance(tenant, str | None):
        raise IssueRefusedError("name and tenant are texts")
    token = issuer.sign(uid, claims, seconds=seconds, name=name, tenant=tenant)
    return {"ok": True, "uid": uid, "seconds": seconds, "token": token}


def act(issuer: Issuer, given: Mapping[str, Any]) -> dict[str, Any]:
    """Answer ``POST /identity``: ``act`` is one of ``ACTS``; all but ``rotate`` need a ``uid``.

    ``rotate`` keeps the last key published unless ``dropOld`` is true.

    Raises:
        IssueRefusedError: for anything else.
    """
    _refuse_unknown(given, {"act", "uid", "dropOld"})
    wanted, uid = given.get("act"), given.get("uid")
    if wanted == "rotate":
        return {"ok": True, "keyId": issuer.rotate(is_old_kept=not given.get("dropOld", False))}
    if wanted not in ACTS:
        raise IssueRefusedError(f"act is one of: {', '.join(ACTS)}")
    if not isinstance(uid, str) or not uid:
        raise IssueRefusedError("uid is a text")
    if wanted == "revoke":
        issuer.revoke(uid)
    else:
        issuer.disable(uid, is_disabled=wanted == "disable")
    return {"ok": True}


def _refuse_unknown(given: Mapping[str, Any], known: set[str]) -> None:
    if unknown := sorted(given.keys() - known):
        raise IssueRefusedError(f"unknown field {unknown[0]!r}; known: {', '.join(sorted(known))}")
