"""Stripe's error bodies. Every refusal of the twin is one of these, so the SDK raises its own error classes.

Source: https://docs.stripe.com/api/errors and https://docs.stripe.com/error-codes.
"""

from collections.abc import Mapping
from typing import Any

import orjson


class ApiError(Exception):
    """An answer that is an error: HTTP status, type, code, message and the parameter at fault."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})
        error = {"message": message, "type": kind, "code": code, "param": param, **extra}
        if code:
            error["doc_url"] = f"https://docs.stripe.com/error-codes#{code.replace('_', '-')}"
        self.error = {name: value for name, value in error.items() if value is not None}

    def body(self) -> bytes:
        """Return the JSON body."""
        return orjson.dumps({"error": self.error})


def missing_parameter(param: str) -> ApiError:
    """Return the error for a required parameter that was not sent."""
    return ApiError(f"Missing required param: {param}.", code="parameter_missing", param=param)


def unknown_parameter(param: str) -> ApiError:
    """Return the error for a parameter the endpoint does not take (or the twin does not imitate)."""
    return ApiError(f"Received unknown parameter: {param}", code="parameter_unknown", param=param)


def invalid_integer(param: str, value: object) -> ApiError:
    """Return the error for a parameter that is not a whole number."""
    return ApiError(f"Invalid integer: {value}", code="parameter_invalid_integer", param=param)


def no_such(object_name: str, object_id: str, param: str, *, status: int = 404) -> ApiError:
    """Return the error for an id that names nothing: 404 in a path, 400 (by ``status``) in a parameter."""
    message = f"No such {object_name}: '{object_id}'"
    return ApiError(message, status=status, code="resource_missing", param=param)


def unrecognized_url(method: str, path: str) -> ApiError:
    """Return the error for a path that is no endpoint."""
    return ApiError(
        f"Unrecognized request URL ({method}: {path}). Please see https://stripe.com/docs or we can help at"
        " https://support.stripe.com/.",
        status=404,
    )


def not_authenticated(*, has_key: bool) -> ApiError:
    """Return the error for a key that is missing or unknown; the key itself is never repeated."""
    if has_key:
        return ApiError("Invalid API Key provided: ****", status=401)
    return ApiError(
        "You did not provide an API key. You need to provide your API key in the Authorization header, using"
        " Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
        status=401,
    )


def not_permitted(permission: str) -> ApiError:
    """Return the error for a restricted key that lacks a permission."""
    return ApiError(
        "The provided key 'rk_test_****' does not have the required permissions for this endpoint on account"
        f" 'acct_twin'. Having the '{permission}' permission would allow this request to continue.",
        status=403,
    )


def rate_limited(retry_after: str | None) -> ApiError:
    """Return the error for too many requests."""
    headers = {"Stripe-Rate-Limited-Reason": "global-rate"}
    if retry_after is not None:
        headers["Retry-After"] = retry_after
    return ApiError(
        "Request rate limit exceeded. You can learn more about rate limits here"
        " https://docs.stripe.com/rate-limits.",
        status=429,
        kind="rate_limit_error",
        code="rate_limit",
        headers=headers,
    )


def server_failure(status: int) -> ApiError:
    """Return the error for a failure on Stripe's side."""
    return ApiError("An unexpected error occurred with the API.", status=status, kind="api_error")
