"""Both document sources behind one face, so that the same tests run against either."""

import pytest

from resources.firestore.live import LiveDocumentSource
from resources.raw_store import RawStore
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


def name(collection, document_id):
    return f"projects/{PROJECT}/databases/(default)/documents/{collection}/{document_id}"


@pytest.fixture(scope="session")
def shared_twin():
    with FirestoreTwin() as twin:
        yield twin


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


@pytest.fixture(params=["memory", "wire"])
def cloud(request):
    """Either source, empty."""
    if request.param == "memory":
        yield InMemoryCloud()
        return
    yield request.getfixturevalue("wire")


@pytest.fixture
def raw(tmp_path):
    return RawStore(str(tmp_path / "raw"))
