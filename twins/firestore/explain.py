"""The answer to "explain this query": as much of it as the client library shows."""

from typing import Any

from twins.firestore.messages import RequestMessage

MINIMUM_MICROS = 1


def wants_answer(request: RequestMessage) -> bool:
    """Tell whether the query is to be run, and not only planned."""
    return not request.HasField("explain_options") or request.explain_options.analyze


def fill_metrics(metrics: Any, *, is_analyzed: bool, results: int, billed: int, seconds: float) -> None:
    """Fill in an ``ExplainMetrics`` message; what running it cost only if it was run."""
    metrics.plan_summary.indexes_used.add().update(
        {"query_scope": "Collection", "properties": "(__name__ ASC)"}
    )
    if is_analyzed:
        stats = metrics.execution_stats
        stats.results_returned = results
        stats.read_operations = billed
        stats.execution_duration.FromMicroseconds(max(MINIMUM_MICROS, int(seconds * 1_000_000)))
        stats.debug_stats.update({"documents_scanned": str(results)})
