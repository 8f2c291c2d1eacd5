"""A twin's service without a socket, and a clock that tests set forward."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import orjson
from stripe._encode import _api_encode

from twins.stripe.account import Account
from twins.stripe.faults import Faults
from twins.stripe.ledger import Ledger
from twins.stripe.service import Request, Service


class MovingClock:
    """Tells the instant it was set to."""

    def __init__(self):
        self.instant = datetime(2026, 3, 2, 17, 0, tzinfo=UTC)

    def __call__(self):
        return self.instant

    def forward(self, **span):
        self.instant += timedelta(**span)


class Desk:
    """Asks a twin's service without a socket and gives back status and JSON."""

    def __init__(self, clock):
        self.clock = clock
        self.ledger = Ledger()
        self.service = Service(Account(self.ledger, clock), Faults())

    def ask(self, method, path, params=None, *, key="sk_test_twin_world_0001", **headers):
        """Return ``(status, JSON)`` of one request; ``params`` are encoded as the SDK does."""
        encoded = urlencode(list(_api_encode(params or {})))
        query, body = (encoded, b"") if method == "GET" else ("", encoded.encode())
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        request = Request(method, f"/v1/{path}", query, {"authorization": f"Bearer {key}", **names}, body)
        response = self.service.answer(request, "req_test")
        return response.status, orjson.loads(response.body)

    def get(self, path, /, **params):
        status, answer = self.ask("GET", path, params)
        assert status == 200, answer
        return answer

    def post(self, path, /, **params):
        status, answer = self.ask("POST", path, params)
        assert status == 200, answer
        return answer

    def refused(self, path, /, **params):
        """Return ``(status, error)`` of a write that must fail."""
        status, answer = self.ask("POST", path, params)
        assert status >= 400, answer
        return status, answer["error"]

    def pay(self, amount=5000, method="pm_card_visa", **params):
        return self.post(
            "payment_intents", amount=amount, currency="usd", payment_method=method, confirm="true", **params
        )

    def all(self, path, /, **params):
        """Return every object of a list, newest first, page by page."""
        found, after = [], {}
        while True:
            page = self.get(path, limit=100, **params, **after)
            found += page["data"]
            if not page["has_more"]:
                return found
            after = {"starting_after": found[-1]["id"]}
