"""Rows that cannot be counted: which they are, and what nobody may say while they are set aside.

A row is set aside as the reader sets documents aside: by id, field and reason, never by value. Nothing is
counted with it. INVARIANT: what could not be read is not an empty place. So of everything that hangs together
with such a row by ids nothing is opened, changed or resolved: what is known of it stays as it was last told.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from resources.findings import Finding
from resources.rows import QuarantinedDocument
from studio_assets.cloud_truth.cell_rules import TOO_HIGH, TOO_LOW
from studio_assets.finance.amounts import beyond_counting
from studio_assets.finance.classes import Kind
from studio_assets.finance.flags import DOMAINS
from studio_assets.finance.links import hanging_together, ids_in, named
from studio_assets.finance.reconcile import Discrepancy
from studio_assets.finance.tables import ORDER_CONTRACTS, TAKING_NAMES
from studio_assets.findings.making import safe_id

_BOOKS: Final = frozenset({"payouts", "balance_transactions"})
"""Contracts whose rows are added up for what should have been paid out."""
_SUMS: Final = frozenset({"p", "w"})
"""Domains of what such sums tell."""
_BY_CHOICE: Final = frozenset({"stored", "fitting"})
"""Ways of linking that hold because nothing else could be linked."""
_FOR_WANT_OF: Final[Mapping[str, frozenset[Kind]]] = {"charges": frozenset({Kind.ORDER_WITHOUT_CHARGE})}
"""Classes that say there is no row of a contract: not opened while one is aside that may be of anything."""
_SAID_BY_CHARGES: Final[Mapping[str, Sequence[str]]] = {
    "refunds": ("amount_refunded_cents", "refunded"),
    "disputes": ("disputed",),
}
"""Columns of charges that tell whether there is a row of a contract about them."""


@dataclass(frozen=True, slots=True)
class Aside:
    """What was set aside.

    Attributes:
        documents: Contract -> documents, each once, by id.
        rows: Contract -> their rows, where they could be read but not counted.
    """

    documents: Mapping[str, Sequence[QuarantinedDocument]]
    rows: Mapping[str, pa.Table]

    def __len__(self) -> int:
        return sum(map(len, self.documents.values()))

    def __iter__(self) -> Iterator[tuple[str, QuarantinedDocument]]:
        """Yield contracts and documents, in order of both."""
        for contract in sorted(self.documents):
            for document in self.documents[contract]:
                yield contract, document


def set_aside(
    tables: Mapping[str, pa.Table], unread: Mapping[str, Sequence[QuarantinedDocument]] | None = None
) -> tuple[dict[str, pa.Table], Aside]:
    """Return the rows that can be counted, and what cannot.

    A document is set aside whole: with all its versions, where a table holds several.

    Args:
        tables: Contract name -> rows in the contract's schema.
        unread: Contract name -> documents that the reader set aside already.
    """
    countable: dict[str, pa.Table] = {}
    documents: dict[str, dict[str, QuarantinedDocument]] = {}
    rows: dict[str, pa.Table] = {}
    for contract, found in (unread or {}).items():
        documents[contract] = {one.document_id: one for one in found}
    for contract, table in tables.items():
        beyond = dict(_beyond(contract, table))
        if beyond:
            is_aside = pc.is_in(table["document_id"], value_set=pa.array(beyond, pa.string()))
            rows[contract] = table.filter(is_aside)
            documents[contract] = beyond | documents.get(contract, {})
        countable[contract] = table.filter(pc.invert(is_aside)) if beyond else table
    told = {
        contract: [one for _, one in sorted(found.items())] for contract, found in documents.items() if found
    }
    return countable, Aside(told, rows)


def _beyond(contract: str, table: pa.Table) -> Iterator[tuple[str, QuarantinedDocument]]:
    for column, is_beyond in beyond_counting(contract, table):
        found = table.select(["document_id", column.name]).filter(is_beyond)
        for document_id, cents in zip(*(each.to_pylist() for each in found.columns), strict=True):
            reason = TOO_HIGH if cents > 0 else TOO_LOW
            yield document_id, QuarantinedDocument(document_id, column.path, reason)


@dataclass(frozen=True, slots=True)
class Doubt:
    """What nothing may be said of while rows are set aside.

    Attributes:
        ids: Of documents and objects that hang together with one of them, and the same as findings name them.
        domains: Of discrepancies that are sums over what may be aside.
        kinds: Classes that are not opened: they tell of a want, and what is wanted may be aside.
        is_money_orderless: Whether money that names no order may be the money of one that is aside.
    """

    ids: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()
    kinds: frozenset[Kind] = frozenset()
    is_money_orderless: bool = False

    def stays(self, finding: Finding) -> bool:
        """Say whether a finding that is open must stay as it is, found again or not."""
        domain = DOMAINS.get(finding.subject_kind)
        is_linked = domain != "w" and finding.subject_id in self.ids  # a currency is no id
        return is_linked or domain in self.domains

    def sayable(self, found: Iterable[Discrepancy], known: Iterable[Finding]) -> list[Discrepancy]:
        """Return the discrepancies that may be told.

        Args:
            found: By a reconciliation without the rows set aside.
            known: Open findings: of what is told for want of a row only those are told again.
        """
        told = _identities(known)
        return [
            one
            for one in found
            if not self._is_about(one) and (_identity(one) in told or not self._is_for_want(one))
        ]

    def _is_about(self, one: Discrepancy) -> bool:
        return one.domain in self.domains or not self.ids.isdisjoint(_ids_about(one))

    def _is_for_want(self, one: Discrepancy) -> bool:
        is_nameless = one.how == "nameless" and one.kind is Kind.MISSING_ORDER
        return one.kind in self.kinds or (is_nameless and self.is_money_orderless)


def doubt_of(
    countable: Mapping[str, pa.Table], aside: Aside, found: Iterable[Discrepancy], known: Sequence[Finding]
) -> Doubt:
    """Return what hangs together with what was set aside; nothing where nothing was.

    Args:
        countable: Contract name -> rows that were not set aside.
        aside: What was.
        found: By a reconciliation of the rows that were not.
        known: Open findings: what they point at hangs together with what they are about.
    """
    if not len(aside):
        return Doubt()
    unread = {
        contract
        for contract, found in aside.documents.items()
        if contract not in aside.rows or len(found) > len(pc.unique(aside.rows[contract]["document_id"]))
    }
    ids = set(named(document.document_id for _, document in aside))
    for contract, rows in aside.rows.items():
        ids |= ids_in(contract, rows)
    for contract in unread & _SAID_BY_CHARGES.keys():
        ids |= _charges_with(_SAID_BY_CHARGES[contract], countable["charges"])
    wanting = unread | ({"charges"} if _names_none(aside.rows.get("charges")) else set())
    told = _identities(known)
    for one in found:
        # That only one was left to be linked may be so because the other is aside.
        if one.how in _BY_CHOICE and _identity(one) not in told:
            ids |= _ids_about(one)
    return Doubt(
        frozenset(hanging_together(ids, countable, [_ids_of(finding) for finding in known])),
        _SUMS if not _BOOKS.isdisjoint(aside.documents) else frozenset(),
        frozenset(kind for contract in wanting for kind in _FOR_WANT_OF.get(contract, ())),
        not aside.documents.keys().isdisjoint(ORDER_CONTRACTS.values()),
    )


def _names_none(charges: pa.Table | None) -> bool:
    """Say whether one of some charges may be of any sale: it names none, and is not the portal's own."""
    if charges is None:
        return False
    has_place = pc.equal(pc.fill_null(charges["metadata_source"], ""), "portal")
    for name in TAKING_NAMES:
        has_place = pc.or_(has_place, pc.is_valid(charges[name]))
    return not pc.all(has_place).as_py()


def _charges_with(said: Sequence[str], charges: pa.Table) -> set[str]:
    """Return the ids of charges of which one of some columns is neither empty nor zero nor false."""
    found: set[str] = set()
    for column in said:
        is_said = pc.fill_null(pc.not_equal(charges[column].cast(pa.int64()), 0), False)
        found |= set(charges["document_id"].filter(is_said).to_pylist())
    return found


def _identities(known: Iterable[Finding]) -> set[tuple[str, str | None, str]]:
    return {(finding.kind, DOMAINS.get(finding.subject_kind), finding.subject_id) for finding in known}


def _identity(one: Discrepancy) -> tuple[str, str | None, str]:
    return one.kind, one.domain, safe_id(one.subject)


def _ids_about(one: Discrepancy) -> set[str]:
    subject = () if one.domain == "w" else (one.subject,)  # a currency is no id
    ids = (*one.charge_ids, *one.refund_ids, *one.dispute_ids, *one.other_ids, one.intent_id)
    return named((*subject, *ids))


def _ids_of(finding: Finding) -> frozenset[str]:
    if DOMAINS.get(finding.subject_kind) == "w":  # a currency is no id
        return frozenset()
    return frozenset({finding.subject_id, *(link.row for link in finding.evidence if link.row is not None)})
