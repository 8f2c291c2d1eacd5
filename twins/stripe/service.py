"""Requests in, answers out: keys, idempotency, and which act answers which path. No sockets here."""

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

import orjson

from twins.stripe import objects
from twins.stripe.access import access_of, require
from twins.stripe.account import API_VERSION, DAY_SECONDS, Account
from twins.stripe.checkout import complete_checkout, create_session, expire_checkouts, expire_session
from twins.stripe.customers import create_customer, create_price
from twins.stripe.disputes import accept_dispute, close_dispute, create_dispute
from twins.stripe.errors import ApiError, unrecognized_url
from twins.stripe.expansion import Expansion, line_items
from twins.stripe.faults import Faults
from twins.stripe.kinds import CHECKOUT_SESSIONS, EVENTS, KINDS, ObjectKind
from twins.stripe.ledger import Entry
from twins.stripe.listing import EVENT_DAYS, list_page
from twins.stripe.params import Params, decode_form
from twins.stripe.payments import cancel_intent, confirm_intent, create_intent
from twins.stripe.payouts import advance_payouts, create_payout
from twins.stripe.refunds import create_refund

Act = Callable[..., Entry | list[Entry]]

TWIN = "test_helpers/twin"
"""Paths below this are the twin's own; Stripe has no such endpoints."""

ACTS: Mapping[tuple[str, ...], Act] = {
    ("customers",): create_customer,
    ("prices",): create_price,
    ("payment_intents",): create_intent,
    ("payment_intents", "*", "confirm"): confirm_intent,
    ("payment_intents", "*", "cancel"): cancel_intent,
    ("checkout", "sessions"): create_session,
    ("checkout", "sessions", "*", "expire"): expire_session,
    ("refunds",): create_refund,
    ("disputes", "*", "close"): accept_dispute,
    ("payouts",): create_payout,
    (*TWIN.split("/"), "complete_checkout"): complete_checkout,
    (*TWIN.split("/"), "expire_checkouts"): expire_checkouts,
    (*TWIN.split("/"), "create_dispute"): create_dispute,
    (*TWIN.split("/"), "close_dispute"): close_dispute,
    (*TWIN.split("/"), "advance_payouts"): advance_payouts,
}
MOST_REMEMBERED_KEYS = 10_000


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request; header names are lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP answer, without the headers that every answer carries."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class ServiceStats:
    """What the twin was asked: ``"GET charges"`` -> times; and writes refused for lack of permission."""

    requests: Counter[str] = field(default_factory=Counter)
    refused_writes: int = 0

    def clear(self) -> None:
        """Start counting anew."""
        self.requests.clear()
        self.refused_writes = 0


class Service:
    """Answers requests for one account."""

    def __init__(self, account: Account, faults: Faults) -> None:
        self.account = account
        self.faults = faults
        self.stats = ServiceStats()
        self._remembered: OrderedDict[str, tuple[int, str, Response]] = OrderedDict()
        self._requests = 0
        self._counting = threading.Lock()

    def next_request_id(self) -> str:
        """Return a fresh ``Request-Id``."""
        with self._counting:
            self._requests += 1
            return f"req_{self._requests:014d}"

    def answer(self, request: Request, request_id: str) -> Response:
        """Return the answer to a request; errors become Stripe's error bodies."""
        resource = resource_of(request.path)
        self.stats.requests[f"{request.method} {resource}"] += 1
        with self.account.ledger.lock:
            self.account.request_id = request_id
            self.account.idempotency_key = request.headers.get("idempotency-key")
            try:
                return self._answer(request, resource)
            except ApiError as error:
                return Response(error.status, error.body(), error.headers)

    def _answer(self, request: Request, resource: str) -> Response:
        kind = KINDS.get(resource)
        is_write = request.method != "GET"
        access = access_of(request.headers)
        try:
            require(access, is_write=is_write, permission=kind.permission if kind else resource)
        except ApiError:
            self.stats.refused_writes += is_write
            raise
        if request.method == "GET":
            params = Params(decode_form(request.query))
            return Response(200, self._read(request.path, kind, params))
        if request.method == "POST":
            return self._write_once(request)
        raise unrecognized_url(request.method, request.path)

    def _read(self, path: str, kind: ObjectKind | None, params: Params) -> bytes:
        if path == "/v1/balance":
            available, pending = self.account.balance()
            return orjson.dumps(objects.balance(available=available, pending=pending))
        if kind is None:
            raise unrecognized_url("GET", path)
        rest = path.removeprefix(f"/v1/{kind.path}").strip("/")
        if not rest:
            return list_page(self.account, kind, params)
        object_id, _, below = rest.partition("/")
        entry = self.account.require(kind, unquote(object_id), "id", is_path=True)
        if below == "line_items" and kind is CHECKOUT_SESSIONS:
            return orjson.dumps(line_items(entry))
        if below:
            raise unrecognized_url("GET", path)
        if kind is EVENTS and entry.key[0] < self.account.now() - EVENT_DAYS * DAY_SECONDS:
            raise self._gone(entry)
        params.refuse_unknown()
        return self._shown(entry, params)

    def _gone(self, entry: Entry) -> ApiError:
        return ApiError(f"No such event: '{entry.id}'", status=404, code="resource_missing", param="id")

    def _shown(self, entry: Entry, params: Params) -> bytes:
        expansion = Expansion.parse(params.texts("expand"), entry.kind)
        now = self.account.now()
        return (
            expansion.render(self.account, entry, now)
            if expansion
            else self.account.ledger.render(entry, now)
        )

    def _write_once(self, request: Request) -> Response:
        """Act, or repeat the answer given earlier to the same idempotency key."""
        key = request.headers.get("idempotency-key")
        fingerprint = f"{request.path}?{request.query}\n{request.body.decode()}"
        now = self.account.now()
        if key and key in self._remembered:
            then, given, response = self._remembered[key]
            if now - then < DAY_SECONDS:
                if given != fingerprint:
                    raise ApiError(
                        "Keys for idempotent requests can only be used with the same parameters they were"
                        " first used with.",
                        kind="idempotency_error",
                    )
                return Response(response.status, response.body, {"Idempotent-Replayed": "true"})
        try:
            response = self._write(request)
        except ApiError as error:
            # Like Stripe, only an act that began is remembered: a declined card is, a wrong parameter is not.
            if error.error["type"] != "card_error":
                raise
            response = Response(error.status, error.body())
        if key:
            self._remembered[key] = (now, fingerprint, response)
            if len(self._remembered) > MOST_REMEMBERED_KEYS:
                self._remembered.popitem(last=False)
        return response

    def _write(self, request: Request) -> Response:
        if resource_of(request.path) == f"{TWIN}/faults":
            self.faults.ask(Params(decode_form(request.body.decode())))
            return Response(200, b"{}")
        steps = tuple(unquote(step) for step in request.path.removeprefix("/v1/").strip("/").split("/"))
        for pattern, act in ACTS.items():
            if len(pattern) == len(steps) and all(
                want in ("*", got) for want, got in zip(pattern, steps, strict=True)
            ):
                named = [got for want, got in zip(pattern, steps, strict=True) if want == "*"]
                params = Params(decode_form(request.body.decode()))
                result = act(self.account, params, *named)
                if isinstance(result, list):
                    now = self.account.now()
                    bodies = b",".join(self.account.ledger.render(entry, now) for entry in result)
                    listing = b'{"object":"list","data":[%s],"has_more":false,"url":"%s"}'
                    return Response(200, listing % (bodies, request.path.encode()))
                return Response(200, self._shown(result, params))
        raise unrecognized_url(request.method, request.path)


def resource_of(path: str) -> str:
    """Return the list a path belongs to (``charges``, ``checkout/sessions``), for statistics and faults."""
    steps = path.removeprefix("/v1/").strip("/").split("/")
    if steps[0] in ("checkout", "test_helpers"):
        return "/".join(steps[:2] if steps[0] == "checkout" else steps[:3])
    return steps[0]


def standard_headers(request: Request, request_id: str) -> str:
    """Return the header lines every answer carries, each ended by CR LF."""
    lines = f"Content-Type: application/json\r\nRequest-Id: {request_id}\r\n"
    lines += f"Stripe-Version: {_clean(request.headers.get('stripe-version', API_VERSION))}\r\n"
    key = request.headers.get("idempotency-key")
    return lines if key is None else f"{lines}Idempotency-Key: {_clean(key)}\r\n"


def _clean(value: str) -> str:
    return "".join(character for character in value if character.isprintable())[:255]
