"""Several document sources behind one face, so that the same tests run against each."""

import uuid

import pytest

from resources.firestore.live import LiveDocumentSource
from resources.raw_store import RawStore
from tests.contract.firestore.conftest import client_of
from tests.unit.studio_assets.cloud_truth.documents import InMemoryDocuments
from twins.firestore.server import FirestoreTwin

PROJECT = "studio-reads"


class InMemoryCloud:
    """The unit tests' own source; it has to pass here to be believed there."""

    def __init__(self):
        self.source = InMemoryDocuments()

    def put(self, collection, document_id, fields):
        self.source.put(collection, document_id, fields)

    def delete(self, collection, document_id):
        self.source.delete(collection, document_id)


class WireCloud:
    """The live door over gRPC to the twin."""

    def __init__(self, twin, **options):
        self.twin = twin
        self.source = LiveDocumentSource(
            PROJECT, emulator_host=twin.host, **{"page_size": 3, "sleep": lambda _: None, **options}
        )

    def put(self, collection, document_id, fields):
        self.twin.store.put(name(collection, document_id), fields)

    def delete(self, collection, document_id):
        self.twin.store.delete(name(collection, document_id))


class OfficialCloud:
    """The live door over gRPC to Google's own emulator, written to with the vendor's client."""

    def __init__(self, host):
        project = f"reads-{uuid.uuid4().hex[:12]}"
        self.client = client_of(host, project)
        self.source = LiveDocumentSource(project, emulator_host=host, page_size=3, sleep=lambda _: None)

    def put(self, collection, document_id, fields):
        self.client.collection(collection).document(document_id).set(fields)

    def delete(self, collection, document_id):
        self.client.collection(collection).document(document_id).delete()


def name(collection, document_id):
    return f"projects/{PROJECT}/databases/(default)/documents/{collection}/{document_id}"


@pytest.fixture
def twin():
    with FirestoreTwin() as twin:
        yield twin


@pytest.fixture
def wire(twin):
    """The live door on a twin of this test's own."""
    cloud = WireCloud(twin)
    yield cloud
    cloud.source.close()


@pytest.fixture(params=["memory", "wire", "official"])
def cloud(request):
    """Each source in turn, empty."""
    if request.param == "memory":
        yield InMemoryCloud()
    elif request.param == "wire":
        yield request.getfixturevalue("wire")
    else:
        cloud = OfficialCloud(request.getfixturevalue("official_emulator"))
        yield cloud
        cloud.source.close()
        cloud.client.close()


@pytest.fixture
def raw(tmp_path):
    return RawStore(str(tmp_path / "raw"))
