"""How the twin says no: with the status the service would answer, never with a Python error on the wire."""

from grpc import StatusCode


class RefusedError(Exception):
    """A request that the service would refuse.

    Attributes:
        code: The gRPC status the client sees.
        message: The sentence the client sees.
    """

    def __init__(self, code: StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def invalid(message: str) -> RefusedError:
    """Return the refusal of a malformed or unsupported request (INVALID_ARGUMENT)."""
    return RefusedError(StatusCode.INVALID_ARGUMENT, message)


def not_found(message: str) -> RefusedError:
    """Return the refusal of a request about a document that does not exist (NOT_FOUND)."""
    return RefusedError(StatusCode.NOT_FOUND, message)


def failed_precondition(message: str) -> RefusedError:
    """Return the refusal of a request that the present state does not allow (FAILED_PRECONDITION)."""
    return RefusedError(StatusCode.FAILED_PRECONDITION, message)
