"""Personal data and secrets planted in the cloud and the settings never reach anything we keep or say."""

import json
import logging
import pickle

import dagster as dg
import pytest

from resources.settings import Settings

pytestmark = pytest.mark.integration
NAMES = {
    "batches": {"ownerDisplayName": "CANARY-name", "title": "CANARY-title", "estimateNotes": "CANARY-notes"},
    "communityReports": {"note": "CANARY-report", "reporterUid": "CANARY-reporter"},
    "materialsOrders": {
        "email": "canary@example.com",
        "displayName": "CANARY-buyer",
        "pickupNotes": "CANARY",
    },
    "supportRequests": {"subject": "CANARY-subject", "body": "CANARY-body", "email": "canary@example.com"},
    "reservations": {"arrivalToken": "MF-ARR-CANARY", "staffNotes": "CANARY-staff"},
    "libraryLoans": {"borrowerName": "CANARY-borrower", "borrowerEmail": "canary@example.com"},
}
KEY = "rk_test_CANARYkey00000000"
PASSWORD = "CANARY-password"


def test_no_canary_is_kept_or_said(studio, caplog, capfd):
    """Parquet, history, Dagster's log, metadata, standard output: all of it is searched."""
    for collection, fields in NAMES.items():
        studio.put(collection, "canary", status="new", ownerUid="member7", **fields)
        studio.put(collection, "absurd", createdAt="CANARY-not-a-date", status=["CANARY"], **fields)
    studio.settings = Settings(
        **studio.settings.model_dump(exclude={"stripe_key", "database_url"}),
        stripe_key=KEY,
        database_url=f"postgresql+psycopg2://u:{PASSWORD}@127.0.0.1:1/studio",
    )
    with caplog.at_level(logging.DEBUG):
        run = studio.run()
    assert run.quarantined > 3
    said = [caplog.text, *capfd.readouterr(), repr(run), str(run.errors)]
    said += [str(record) for record in studio.instance.all_logs(run.run_id)]
    said += [json.dumps(run.snapshot), repr(studio.history.latest_reads()), repr(studio.history.events())]
    for key in studio.instance.all_asset_keys():
        record = studio.instance.fetch_materializations(dg.AssetRecordsFilter(asset_key=key), limit=10)
        said.append(repr(pickle.dumps(record.records)))
    for path in studio.settings.home.rglob("*"):
        if path.is_file():
            said.append(path.read_bytes().decode("latin-1"))
    assert len(said) > 60
    for text in said:
        assert "CANARY" not in text
        assert "canary@example.com" not in text
