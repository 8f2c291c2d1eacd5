"""When assets run without being asked: derived state follows new content, never a mere new read.

Scheduled runs materialize everything at once, so these conditions only act when somebody reads a collection
by hand or repeats a failed one. They never ask twice: an asset that a run is making, or has just made, is
handled.
"""

from typing import Any

import dagster as dg


def on_new_content() -> dg.AutomationCondition[Any]:
    """Return the condition "an input has a new content hash, all inputs are there, and none is blocked".

    The stock eager condition fires on every materialization, also when the content hash stayed the same.
    Only the newest studio-local day is looked at; past days are rebuilt on purpose or not at all.
    """
    # What is asked for in the same tick counts as new too, so that a whole chain becomes one run.
    is_new = dg.AutomationCondition.data_version_changed() | dg.AutomationCondition.will_be_requested()
    has_new_content = dg.AutomationCondition.any_deps_match(is_new)
    eager = dg.AutomationCondition.eager().replace("any_deps_updated", has_new_content)
    return (eager & dg.AutomationCondition.all_deps_blocking_checks_passed()).with_label("on_new_content")
