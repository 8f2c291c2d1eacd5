"""No contract asks for personal data, whatever else changes."""

import re

import pytest

from studio_assets.contracts.catalog import ALL
from studio_assets.contracts.model import PersonalData

# Every field the source is known to keep names, contacts, addresses, secrets or free text in.
PERSONAL_PATHS = frozenset(
    re.findall(
        r"\w+",
        """
    ownerDisplayName ownerEmail displayName email photoURL phone phoneE164 mobilePhone actorName ownerName
    authorName uploadedByName borrowerName borrowerEmail requesterName requesterEmail userDisplayName
    billing_details receipt_email customer customer_details shipping description statement_descriptor
    notes note notesHistory staffNotes staffNote internalNotes summary body subject pickupNotes estimateNotes
    unloadNote lastStatusReason moderation targetSnapshot targetRef reporterUid assigneeUid
    addOns deliveryAddress deliveryInstructions arrivalToken arrivalTokenLookup photoUrl photoPath photos
    evidencePhotos checkoutUrl receiptUrl receipt_url keyHash secretHash
    constraints metadata logistics x1cSpec
    policy staff items lineItems billingProfile stripeCustomerId customClaims claims deviceTokens prefs
    editors createdByUid updatedByUid unloadedByUid checkedInByUid cancelledByUid createdByTokenId
    """,
    )
)
PERSONAL_LAST_PARTS = frozenset({"name", "email", "phone", "address", "notes", "note", "body", "token"})
# Labels of things, not of people.
NAMES_OF_THINGS = frozenset({("kilns", "name"), ("materials_products", "name")})


@pytest.mark.parametrize("contract", ALL, ids=lambda contract: contract.name)
def test_no_contract_asks_for_personal_data(contract):
    """Neither a personal field nor anything below one is requested from a source."""
    for path in contract.field_paths:
        assert path not in PERSONAL_PATHS
        is_label = (contract.name, path) in NAMES_OF_THINGS
        assert is_label or path.rpartition(".")[2].lower() not in PERSONAL_LAST_PARTS
        head = path.partition(".")[0]
        assert (
            head not in PERSONAL_PATHS or head == "metadata"
        )  # of Stripe's metadata only listed ids are asked for


@pytest.mark.parametrize("contract", ALL, ids=lambda contract: contract.name)
def test_member_ids_are_marked_as_pseudonyms(contract):
    """Every column that holds a member's id says so, and no other column does."""
    for column in contract.columns:
        is_member = column.path.rpartition(".")[2] in {"uid", "ownerUid", "borrowerUid"}
        assert (column.personal_data is PersonalData.PSEUDONYM) == is_member


def test_what_people_wrote_is_read_in_memory_at_most():
    """Free text is no column of any contract: it cannot come into a file or a table with the rest."""
    kept = {column.path for contract in ALL for column in contract.columns}
    in_memory = [column for contract in ALL for column in contract.in_memory]
    assert [column.path for column in in_memory] == ["note", "targetRef.id"]
    assert not kept & {column.path for column in in_memory}
    assert not [
        column
        for contract in ALL
        for column in contract.columns
        if column.personal_data is PersonalData.FREE_TEXT
    ]
