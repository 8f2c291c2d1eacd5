"""The twin and Google's own emulator, asked the same random questions, give the same answers.

STUDIO_FUZZ_QUERIES raises the number of queries per seed, STUDIO_FUZZ_SEEDS (``1,2,3``) sets the seeds. The
only difference allowed is that both refuse, with another status: which of several mistakes is found first is
nobody's promise. An answer against a refusal, or two different answers, fails with the request that shows it.
"""

import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.cloud.firestore_v1 import types as api
from google.protobuf import text_format

from tests.contract.firestore.conftest import PROJECT, unique_id
from tests.contract.firestore.generators import Generator, comparable, comparable_document, set_fields
from twins.firestore.messages import Write, request_class
from twins.firestore.server import SERVICE_NAME

DEFAULT_QUERIES = 300
SEEDS = [int(seed) for seed in os.environ.get("STUDIO_FUZZ_SEEDS", "101,102").split(",")]
ROOT = f"projects/{PROJECT}/databases/(default)/documents"
METADATA = (
    ("authorization", "Bearer owner"),
    ("google-cloud-resource-prefix", ROOT.removesuffix("/documents")),
)
STREAMS = {"RunQuery", "RunAggregationQuery"}
TIMEOUT_SECONDS = 30
LONGEST_LINE = 1500  # characters of a fault's request or answer that are shown


class Server:
    """One of the two servers, called with plain messages."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel
        self.commit_times: list[Any] = []
        self.update_times: dict[str, Any] = {}

    def call(self, method: str, request: Any) -> list[Any] | grpc.StatusCode:
        """Return all answers of an RPC, or the status it was refused with."""
        kind = self._channel.unary_stream if method in STREAMS else self._channel.unary_unary
        stub = kind(
            f"/{SERVICE_NAME}/{method}",
            request_serializer=request_class(method).SerializeToString,
            response_deserializer=getattr(api, f"{method}Response").pb().FromString,
        )
        try:
            answer = stub(request, metadata=METADATA, timeout=TIMEOUT_SECONDS)
            return list(answer) if method in STREAMS else [answer]
        except grpc.RpcError as error:
            return error.code()

    def commit(self, request: Any) -> Any:
        """Commit; return what can be compared of the answer, and remember its times."""
        answer = self.call("Commit", request)
        if isinstance(answer, grpc.StatusCode):
            return answer
        self.commit_times.append(answer[0].commit_time)
        for write, result in zip(request.writes, answer[0].write_results, strict=True):
            name = write.update.name or write.delete
            if result.HasField("update_time"):
                self.update_times[name] = result.update_time
            else:
                self.update_times.pop(name, None)
        return [[comparable(each) for each in result.transform_results] for result in answer[0].write_results]

    def query(self, request: Any, state: int | None) -> Any:
        """Run a query or an aggregation as of a numbered state (None: now); return what can be compared."""
        if state is not None:
            request.read_time.CopyFrom(self.commit_times[state])
        is_aggregation = request.DESCRIPTOR.name == "RunAggregationQueryRequest"
        answers = self.call("RunAggregationQuery" if is_aggregation else "RunQuery", request)
        if isinstance(answers, grpc.StatusCode):
            return answers
        if is_aggregation:
            values = answers[0].result.aggregate_fields
            return {alias: comparable(value) for alias, value in values.items()}
        return [comparable_document(each.document) for each in answers if each.HasField("document")]


@pytest.fixture
def pair(twin, official_host) -> Iterator[tuple[Server, Server]]:
    """Return both servers: the twin, and the official emulator."""
    with grpc.insecure_channel(twin.host) as ours, grpc.insecure_channel(official_host) as theirs:
        yield Server(ours), Server(theirs)


def load(pair: tuple[Server, Server], generator: Generator) -> None:
    """Write the same documents to both, in three states one after the other."""
    names = generator.names
    for part in (names, names[::3], names[1::4]):
        request = request_class("Commit")(database=ROOT.removesuffix("/documents"))
        for name in part:
            write = Write()
            if part is not names and generator.random.random() < 0.3:
                write.delete = name
            else:
                write.update.name = name
                set_fields(write.update, generator.fields())
            request.writes.append(write)
        ours, theirs = (server.commit(request) for server in pair)
        assert ours == theirs
        assert not isinstance(ours, grpc.StatusCode)


def verdict(ours: Any, theirs: Any) -> str:
    """Say how two answers relate; what is written in capitals is a fault of the twin."""
    if ours == theirs:
        return "refused" if isinstance(ours, grpc.StatusCode) else "same"
    refusals = [isinstance(each, grpc.StatusCode) for each in (ours, theirs)]
    if all(refusals):
        return "refused differently"
    return "ONLY ONE REFUSES" if any(refusals) else "DIFFERENT ANSWERS"


def describe(outcome: str, request: Any, ours: Any, theirs: Any) -> str:
    """Return a fault in four lines: what went wrong, the request, and the two answers."""
    asked = text_format.MessageToString(request, as_one_line=True, as_utf8=True)
    lines = [outcome, asked, f"ours: {ours}", f"theirs: {theirs}"]
    return "\n".join(line.replace(ROOT, "")[:LONGEST_LINE] for line in lines)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_queries_have_the_same_answers(pair, seed):
    """Queries and aggregations over every type, now and in the past: same documents, order and numbers."""
    generator = Generator(seed, ROOT, unique_id())
    load(pair, generator)
    verdicts: Counter[str] = Counter()
    faults = []
    for _ in range(int(os.environ.get("STUDIO_FUZZ_QUERIES", DEFAULT_QUERIES))):
        request = generator.aggregation() if generator.random.random() < 0.25 else generator.query()
        state = generator.random.choice((None, None, 0, 1, 2))
        ours, theirs = (server.query(request, state) for server in pair)
        outcome = verdict(ours, theirs)
        verdicts[outcome] += 1
        if outcome == "same" and theirs and theirs != []:
            verdicts["same and not empty"] += 1
        if outcome.isupper():
            faults.append(describe(outcome, request, ours, theirs))
    assert not faults, f"{len(faults)} faults, {dict(verdicts)}:\n" + "\n".join(faults[:8])
    assert verdicts["same and not empty"] > sum(verdicts.values()) / 4, (
        f"too few questions with answers: {verdicts}"
    )


@pytest.mark.parametrize("seed", SEEDS[:1])
def test_random_writes_leave_the_same_documents(pair, seed):
    """Commits with masks, transforms and preconditions: same refusals, same results, same documents."""
    generator = Generator(seed, ROOT, unique_id())
    load(pair, generator)
    ours, theirs = pair
    for _ in range(int(os.environ.get("STUDIO_FUZZ_QUERIES", DEFAULT_QUERIES)) // 2):
        request = generator.commit(ours.update_times)
        their_request = type(request)()
        their_request.CopyFrom(request)
        for write in their_request.writes:
            if write.current_document.HasField("update_time"):
                name = write.update.name or write.delete
                write.current_document.update_time.CopyFrom(theirs.update_times[name])
        outcomes = ours.commit(request), theirs.commit(their_request)
        assert verdict(*outcomes) in {"same", "refused", "refused differently"}, describe(
            verdict(*outcomes), request, *outcomes
        )
    for collection, is_group in ((generator.collection, False), (generator.group, True)):
        everything = request_class("RunQuery")(parent=ROOT)
        everything.structured_query.from_.add(collection_id=collection, all_descendants=is_group)
        assert ours.query(everything, None) == theirs.query(everything, None)
