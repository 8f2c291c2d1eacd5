"""What becomes of a checkout: paid, declined, charged twice, refunded in part, disputed - whatever is sold.

The desks open checkouts and know what was sold; this module decides the fate of the money and lets the
portal hear of it (``webhooks.py``). Each purchase takes at most one incident, so that a label is never
blurred by another.
"""

from collections.abc import Callable
from datetime import timedelta

from twins.world import almanac
from twins.world.chance import Dice
from twins.world.incidents import Incident
from twins.world.studio import Studio
from twins.world.till import FOREIGN_CARD, GOOD_CARDS, Payment, Till
from twins.world.webhooks import (
    COMPLETED,
    DISPUTE_CLOSED,
    DISPUTED,
    FAILED,
    REFUNDED,
    SUCCEEDED,
    Sale,
    Webhooks,
)

DECLINED_SHARE = 0.05
RETRIED_SHARE = 0.7
REFUNDED_SHARE = 0.025
PARTIAL_REFUND_SHARE = 0.008
DISPUTE_REASONS = ("fraudulent", "product_not_received", "duplicate", "unrecognized", "general")
_Fate = Callable[["Purchases", Sale, Payment, Dice, Incident], None]


class Purchases:
    """Settles checkouts at the studio's present instant."""

    def __init__(self, studio: Studio, till: Till, webhooks: Webhooks) -> None:
        self._studio = studio
        self._till = till
        self._webhooks = webhooks

    def settle(self, sale: Sale, payment: Payment, dice: Dice) -> None:
        """Let the customer pay now; the card may be declined, and an incident may bend what follows."""
        is_declined = dice.chance(DECLINED_SHARE)
        for kind, fate in _FATES.items():
            incident = self._studio.incidents.claim(kind, self._studio.now)
            if incident:
                fate(self, sale, payment, dice, incident)
                return
        if is_declined:
            self._decline(sale, payment, dice)
        else:
            self._pay(sale, payment, dice)

    # The ordinary course

    def _pay(self, sale: Sale, payment: Payment, dice: Dice) -> None:
        self._till.complete(payment, dice.pick(GOOD_CARDS))
        if self._webhooks.deliver_success(payment, sale, dice):
            self._look_after(sale, payment, dice)

    def _decline(self, sale: Sale, payment: Payment, dice: Dice) -> None:
        self._till.decline(payment)
        self._webhooks.deliver(FAILED, payment, sale, timedelta(seconds=dice.between(1, 9)))
        is_given_up = self._studio.incidents.trouble(dice, 1 - RETRIED_SHARE)
        if is_given_up:
            self._studio.incidents.quirk(
                "abandoned_cart",
                self._studio.now + timedelta(hours=24),
                sale.path,
                notes="declined and given up",
            )
        else:
            again_at = self._studio.now + dice.minutes(3, 40)
            self._studio.at(again_at, self._pay, sale, payment, dice)

    def _look_after(self, sale: Sale, payment: Payment, dice: Dice) -> None:
        """Decide today whether the purchase will come back as a refund or a dispute."""
        studio, incidents = self._studio, self._studio.incidents
        later = almanac.next_staffed(dice, studio.now + dice.days(1, 7))
        refunds, partly = dice.chance(REFUNDED_SHARE), incidents.trouble(dice, PARTIAL_REFUND_SHARE)
        part = max(50, round(payment.amount_cents * dice.between(0.2, 0.6)))
        charge_path = f"charges/{payment.charge_id}"
        if dispute := incidents.claim("dispute", studio.now):
            dispute.affect(later, sale.path, charge_path)
            studio.at(later, self._dispute, sale, payment, dice, dispute)
        elif missing := incidents.claim("refund_missing", studio.now):
            missing.affect(later, sale.path)
            studio.at(later, sale.hear, REFUNDED, payment)
        elif partial := incidents.claim("partial_refund", studio.now):
            partial.affect(later, sale.path, charge_path)
            studio.at(later, self._refund, sale, payment, part)
        elif partly:
            incidents.quirk("partial_refund", later, sale.path, charge_path, notes="recorded as a whole one")
            studio.at(later, self._refund, sale, payment, part)
        elif refunds:
            studio.at(later, self._refund, sale, payment, None)

    def _refund(self, sale: Sale, payment: Payment, amount_cents: int | None) -> None:
        self._till.refund(payment, amount_cents)
        self._webhooks.deliver(REFUNDED, payment, sale, timedelta(seconds=7))

    def _dispute(self, sale: Sale, payment: Payment, dice: Dice, incident: Incident) -> None:
        studio = self._studio
        dispute_id = self._till.dispute(payment, dice.pick(DISPUTE_REASONS))
        incident.affect(studio.now, sale.path, f"disputes/{dispute_id}")
        self._webhooks.deliver(DISPUTED, payment, sale, timedelta(seconds=11), "needs_response")
        is_won, closes_at = dice.chance(0.4), studio.now + dice.days(12, 24)

        def close() -> None:
            self._till.close_dispute(dispute_id, is_won=is_won)
            status = "won" if is_won else "lost"
            self._webhooks.deliver(DISPUTE_CLOSED, payment, sale, timedelta(seconds=11), status)
            incident.end(studio.now)
            paths = (sale.path, f"charges/{payment.charge_id}", f"disputes/{dispute_id}")
            studio.incidents.follow_up(incident, f"dispute_{status}", studio.now, *paths)

        studio.at(closes_at, close)

    # What goes wrong on purpose

    def _charge_twice(self, sale: Sale, payment: Payment, dice: Dice, incident: Incident) -> None:
        self._pay_plainly(sale, payment)

        def again() -> None:
            at = self._studio.now
            second = self._till.intend(payment.amount_cents, payment.metadata)
            self._till.confirm(second)
            incident.affect(at, sale.path, f"charges/{payment.charge_id}", f"charges/{second.charge_id}")
            if dice.chance(0.5):
                refund_at = almanac.next_staffed(dice, at + dice.days(3, 8))
                self._studio.at(refund_at, self._give_back, second, incident)

        self._studio.at(self._studio.now + dice.minutes(1, 4), again)

    def _give_back(self, payment: Payment, incident: Incident) -> None:
        self._till.refund(payment, reason="duplicate")
        incident.end(self._studio.now)

    def _lose_webhooks(self, sale: Sale, payment: Payment, dice: Dice, incident: Incident) -> None:
        self._till.complete(payment, GOOD_CARDS[0])
        incident.affect(self._studio.now, sale.path, f"charges/{payment.charge_id}")
        if dice.chance(0.4):
            mended_at = almanac.next_staffed(dice, self._studio.now + dice.days(4, 9))
            incident.end(mended_at)
            self._studio.at(mended_at, sale.hear, SUCCEEDED, payment)

    def _capture_late(self, sale: Sale, payment: Payment, dice: Dice, incident: Incident) -> None:
        intended = self._till.intend(payment.amount_cents, payment.metadata)
        payment.intent_id = intended.intent_id
        self._webhooks.deliver(COMPLETED, payment, sale, timedelta(seconds=4))

        def capture() -> None:
            self._till.confirm(payment)
            incident.affect(self._studio.now, sale.path, f"charges/{payment.charge_id}")
            self._webhooks.deliver(SUCCEEDED, payment, sale, timedelta(seconds=6))

        self._studio.at(self._studio.now + dice.days(3, 6), capture)

    def _let_lapse(self, sale: Sale, payment: Payment, dice: Dice, incident: Incident) -> None:
        intended = self._till.intend(payment.amount_cents, payment.metadata)
        payment.intent_id = intended.intent_id
        self._webhooks.deliver(COMPLETED, payment, sale, timedelta(seconds=4))

        def lapse() -> None:
            self._till.abandon(payment)
            incident.affect(self._studio.now, sale.path, f"payment_intents/{payment.intent_id}")

        self._studio.at(self._studio.now + dice.days(6.8, 7.0), lapse)

    def _pay_by_hand(self, sale: Sale, payment: Payment, dice: Dice, incident: Incident) -> None:
        """Staff mark the order paid; the checkout stays open and nothing reaches Stripe.

        Over days off it takes them longer than a day: until they come it is a cart like any other.
        """
        when = almanac.next_staffed(dice, self._studio.now)
        incident.affect(when, sale.path)
        stale_at = self._studio.now + timedelta(hours=24)
        if when > stale_at:
            notes = "a cart until staff are back and mark it paid"
            self._studio.incidents.quirk("abandoned_cart", stale_at, sale.path, notes=notes).end(when)
        self._studio.at(when, sale.hear, SUCCEEDED, payment)

    def _pay_dearly(self, sale: Sale, payment: Payment, dice: Dice, incident: Incident) -> None:  # noqa: ARG002 - as all fates
        """The card is from abroad, and Stripe takes more for it than the rate the studio knows."""
        self._pay_plainly(sale, payment, FOREIGN_CARD)
        incident.affect(self._studio.now, sale.path, f"charges/{payment.charge_id}")

    def _return_twice(self, sale: Sale, payment: Payment, dice: Dice, incident: Incident) -> None:
        """Staff refund all of it; days later the payer's bank, which does not know, takes it back again."""
        studio = self._studio
        self._pay_plainly(sale, payment)
        refunded_at = almanac.next_staffed(dice, studio.now + dice.days(1, 4))
        disputed_after = dice.days(2, 6)

        def give_back() -> None:
            refund_id = self._till.refund(payment)
            self._webhooks.deliver(REFUNDED, payment, sale, timedelta(seconds=7))
            studio.at(studio.now + disputed_after, take_back, refund_id)

        def take_back(refund_id: str) -> None:
            dispute_id = self._till.dispute(payment, "credit_not_processed", payment.amount_cents)
            self._webhooks.deliver(DISPUTED, payment, sale, timedelta(seconds=11), "needs_response")
            objects = (f"charges/{payment.charge_id}", f"refunds/{refund_id}", f"disputes/{dispute_id}")
            incident.affect(studio.now, sale.path, *objects)

        studio.at(refunded_at, give_back)

    def _pay_plainly(self, sale: Sale, payment: Payment, card: str = GOOD_CARDS[0]) -> None:
        self._till.complete(payment, card)
        for event, seconds in ((COMPLETED, 3), (SUCCEEDED, 9)):
            self._webhooks.deliver(event, payment, sale, timedelta(seconds=seconds))


# A purchase takes the first incident that claims it; what begins later in its life is decided in
# ``_look_after``.
_FATES: dict[str, _Fate] = {
    "duplicate_charge": Purchases._charge_twice,  # noqa: SLF001 - a table of this class's own methods
    "charge_without_order": Purchases._lose_webhooks,  # noqa: SLF001 - as above
    "late_capture": Purchases._capture_late,  # noqa: SLF001 - as above
    "expired_authorisation": Purchases._let_lapse,  # noqa: SLF001 - as above
    "order_without_charge": Purchases._pay_by_hand,  # noqa: SLF001 - as above
    "fee_drift": Purchases._pay_dearly,  # noqa: SLF001 - as above
    "refund_over": Purchases._return_twice,  # noqa: SLF001 - as above
}
