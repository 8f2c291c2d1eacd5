import pytest
from grpc import StatusCode

from twins.firestore import transactions as module
from twins.firestore.errors import RefusedError
from twins.firestore.messages import api, to_timestamp
from twins.firestore.paths import document_name
from twins.firestore.store import Store
from twins.firestore.transactions import Transactions

NAME = document_name("p", "c/x")
Options = api.TransactionOptions.pb()
READ_ONLY = Options()
READ_ONLY.read_only.SetInParent()


@pytest.fixture
def store():
    store = Store()
    store.put(NAME, {"n": 1})
    return store


@pytest.fixture
def transactions(store):
    return Transactions(store)


def status(call, *arguments, **named):
    with pytest.raises(RefusedError) as refused:
        call(*arguments, **named)
    return refused.value.code


def test_a_changed_document_aborts_the_commit(store, transactions):
    """What was read must still be so; what was not read may change."""
    identity = transactions.begin(Options())
    transactions.get(identity).documents.add(NAME)
    store.put(document_name("p", "c/other"), {})
    transactions.end_for_commit(identity, has_writes=True)
    identity = transactions.begin(Options())
    transactions.get(identity).documents.add(NAME)
    store.put(NAME, {"n": 2})
    assert status(transactions.end_for_commit, identity, has_writes=True) is StatusCode.ABORTED


def test_a_document_that_appears_or_goes_aborts_too(store, transactions):
    """Reading that there is nothing is reading; so is reading what is then deleted."""
    none = document_name("p", "c/none")
    for name, change in ((none, lambda: store.put(none, {})), (NAME, lambda: store.delete(NAME))):
        identity = transactions.begin(Options())
        transactions.get(identity).documents.add(name)
        change()
        assert status(transactions.end_for_commit, identity, has_writes=True) is StatusCode.ABORTED


def test_a_query_that_would_answer_otherwise_aborts(store, transactions):
    """A phantom is a change: the query is asked again."""
    answers = [(("a", 1),), (("a", 1), ("b", 2))]
    for new, aborts in ((answers[0], False), (answers[1], True)):
        identity = transactions.begin(Options())
        transactions.get(identity).queries.append((lambda _, new=new: new, answers[0]))
        if aborts:
            assert status(transactions.end_for_commit, identity, has_writes=True) is StatusCode.ABORTED
        else:
            transactions.end_for_commit(identity, has_writes=True)


def test_a_read_only_transaction_may_read_the_past_and_never_write(store, transactions):
    at = store.clock.read()
    store.put(NAME, {"n": 2})
    options = Options()
    options.read_only.read_time.CopyFrom(to_timestamp(at))
    identity = transactions.begin(options)
    assert transactions.get(identity).at == at
    assert status(transactions.end_for_commit, identity, has_writes=True) is StatusCode.INVALID_ARGUMENT
    identity = transactions.begin(READ_ONLY)
    transactions.get(identity).documents.add(NAME)
    store.put(NAME, {"n": 3})
    transactions.end_for_commit(identity, has_writes=False)


def test_an_ended_transaction_is_over_but_may_be_rolled_back_again(transactions):
    """A client cleans up after a refused commit; that must not hide why it was refused."""
    identity = transactions.begin(Options())
    transactions.end_for_commit(identity, has_writes=False)
    assert status(transactions.get, identity) is StatusCode.INVALID_ARGUMENT
    assert status(transactions.end_for_commit, identity, has_writes=False) is StatusCode.INVALID_ARGUMENT
    transactions.rollback(identity)
    for stranger in (b"", b"junk", identity[:-1] + b"\x63"):
        assert status(transactions.rollback, stranger) is StatusCode.INVALID_ARGUMENT


def test_an_abandoned_transaction_is_forgotten(transactions, monkeypatch):
    """A client that never comes back does not hold memory for ever."""
    identity = transactions.begin(Options())
    later = module.time.monotonic() + module.LIFETIME_SECONDS + 1
    monkeypatch.setattr(module.time, "monotonic", lambda: later)
    kept = transactions.begin(Options())
    assert status(transactions.get, identity) is StatusCode.INVALID_ARGUMENT
    assert not transactions.get(kept).is_read_only
