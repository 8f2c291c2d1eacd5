"""The standing checks as statements: each returns one row per violation, (subject id, what is wrong).

They read rows and events as they stand now and compare them; nothing here trusts that the database's own
triggers were in force when the rows were written.
"""

from collections.abc import Mapping
from typing import Final

from policies.marks import TickEvent
from policies.proposals import TRANSITIONS, ProposalState
from policies.standing_checks import StandingCheck

_LEGAL: Final = ", ".join(
    f"('{before}', '{after}')" for before, afters in TRANSITIONS.items() for after in sorted(afters)
)
_FIRST: Final = f"'{ProposalState.DRAFT}', '{ProposalState.PENDING_APPROVAL}'"

# The quorum is the one of today's registry where the announcement does not tell the one of its day.
EXECUTIONS_ARE_APPROVED: Final = """
WITH done AS (
    SELECT e.*, p.capability_id, p.owner_id, announced.seq AS announced_seq, told.seq AS told_seq,
        CASE e.kind WHEN 'rollback' THEN 1 ELSE coalesce(
            (announced.payload::jsonb #>> '{details,approvals_required}')::integer,
            c.approvals_required) END AS needed
    FROM studio.executions AS e
    JOIN studio.proposals AS p USING (studio_id, proposal_id)
    LEFT JOIN studio.capabilities AS c USING (capability_id)
    LEFT JOIN studio.audit_events AS told ON told.studio_id = e.studio_id AND told.seq = e.audit_seq
        AND told.subject_kind = 'proposal' AND told.subject_id = e.proposal_id
        AND split_part(told.name, ':', 3) = CASE e.kind WHEN 'rollback' THEN 'rolled_back' ELSE 'executed' END
    LEFT JOIN LATERAL (
        SELECT a.seq, a.payload FROM studio.audit_events AS a
        WHERE a.studio_id = e.studio_id AND a.subject_kind = 'proposal' AND a.subject_id = e.proposal_id
            AND a.seq < e.audit_seq
            AND split_part(a.name, ':', 3)
                = CASE e.kind WHEN 'rollback' THEN 'rolling_back' ELSE 'executing' END
        ORDER BY a.seq DESC LIMIT 1
    ) AS announced ON true
    WHERE e.studio_id = :studio AND e.state = 'succeeded'
), judged AS (
    SELECT d.*,
        (SELECT count(DISTINCT a.approver_id) FROM studio.approvals AS a
         WHERE a.studio_id = d.studio_id AND a.proposal_id = d.proposal_id AND a.kind = d.kind
            AND a.version = d.version AND a.input_hash = d.input_hash
            AND a.at <= d.started_at AND d.started_at < a.expires_at) AS given,
        EXISTS (
            SELECT FROM studio.exemptions AS x
            LEFT JOIN studio.exemption_ends AS z USING (studio_id, exemption_id)
            WHERE x.studio_id = d.studio_id AND x.exemption_id = d.exemption_id
                AND x.capability_id = d.capability_id
                AND (x.owner_id IS NULL OR x.owner_id = d.owner_id)
                AND x.granted_at <= d.started_at
                AND d.started_at < least(x.expires_at, coalesce(z.at, x.expires_at))
        ) AS is_exempt
    FROM done AS d
)
SELECT execution_id, concat_ws('; ',
    CASE WHEN needed IS NULL THEN 'its capability is unknown'
        WHEN NOT is_exempt AND given < needed THEN given || ' of ' || needed || ' approvals when it began'
    END,
    CASE WHEN announced_seq IS NULL THEN 'no event announces it' END,
    CASE WHEN told_seq IS NULL THEN 'no event tells its end' END)
FROM judged
WHERE needed IS NULL OR (NOT is_exempt AND given < needed) OR announced_seq IS NULL OR told_seq IS NULL
"""

NOBODY_APPROVES_THEIR_OWN: Final = """
SELECT a.approval_id, 'the approver asked for it'
FROM studio.approvals AS a JOIN studio.proposals AS p USING (studio_id, proposal_id)
WHERE a.studio_id = :studio AND a.kind = 'execute'
    AND a.approver_id IN (p.requester_id, p.requester_principal_id)
"""

_EVENT: Final = "LEFT JOIN studio.audit_events AS e ON e.studio_id = r.studio_id AND e.seq = r.audit_seq"

_DETAIL: Final = "(e.payload::jsonb -> 'details' ->> '{}')"

# Of a person's word on swarms and on what they made: table, its subject, and the subject's kind in the log.
_WORDS: Final = (
    ("swarm_controls", "department", "swarm"),
    ("finding_dispositions", "finding_id", "finding"),
    ("draft_reviews", "draft_id", "draft"),
    ("triage_decisions", "report_id", "triage"),
)
# What a swarm tells of a tick is its own act and no person's word.
_OF_TICKS: Final = ", ".join(f"'{event}'" for event in TickEvent)
_WORDS_AGREE: Final = "".join(
    f"""
    UNION ALL
    SELECT r.{subject}, 'no event is about its row in {table}'
    FROM studio.{table} AS r {_EVENT}
        AND e.subject_kind = '{kind}' AND e.subject_id = r.{subject} AND e.actor_id = r.by
    WHERE r.studio_id = :studio AND e.seq IS NULL
    UNION ALL
    SELECT e.subject_id, 'its event ' || e.seq || ' has no row in {table}'
    FROM studio.audit_events AS e
    LEFT JOIN studio.{table} AS r ON r.studio_id = e.studio_id AND r.audit_seq = e.seq
    WHERE e.studio_id = :studio AND e.subject_kind = '{kind}' AND r.audit_seq IS NULL
        AND split_part(e.name, ':', 3) NOT IN ({_OF_TICKS})"""  # noqa: S608 - made of our own words
    for table, subject, kind in _WORDS
)

ROWS_AND_EVENTS_AGREE: Final = f"""
SELECT subject, what FROM (
    SELECT r.proposal_id AS subject, 'its row does not say what its event says' AS what
    FROM studio.proposals AS r {_EVENT}
        AND e.subject_kind = 'proposal' AND e.subject_id = r.proposal_id AND e.state = r.state
    WHERE r.studio_id = :studio AND e.seq IS NULL
    UNION ALL
    SELECT r.proposal_id, 'its input is not the one its event names'
    FROM studio.proposals AS r {_EVENT}
    WHERE r.studio_id = :studio AND r.input_hash IS DISTINCT FROM {_DETAIL.format("input_hash")}
    UNION ALL
    SELECT r.proposal_id, 'its event names another requester'
    FROM studio.proposals AS r JOIN studio.audit_events AS e ON e.studio_id = r.studio_id
        AND e.subject_kind = 'proposal' AND e.subject_id = r.proposal_id
        AND split_part(e.name, ':', 3) = 'created'
    WHERE r.studio_id = :studio
        AND (r.requester_id <> e.actor_id OR r.owner_id IS DISTINCT FROM {_DETAIL.format("owner_id")})
    UNION ALL
    SELECT last.subject_id, 'its last event has no row in the same state'
    FROM (
        SELECT DISTINCT ON (subject_id) subject_id, state FROM studio.audit_events
        WHERE studio_id = :studio AND subject_kind = 'proposal' AND state IS NOT NULL
        ORDER BY subject_id, seq DESC
    ) AS last
    LEFT JOIN studio.proposals AS r
        ON r.studio_id = :studio AND r.proposal_id = last.subject_id AND r.state = last.state
    WHERE r.proposal_id IS NULL
    UNION ALL
    SELECT r.approval_id, 'no event gives this approval as it is'
    FROM studio.approvals AS r {_EVENT}
        AND e.subject_kind = 'proposal' AND e.subject_id = r.proposal_id
        AND split_part(e.name, ':', 3)
        = CASE r.kind WHEN 'rollback' THEN 'rollback_requested' ELSE 'approval_given' END
        AND e.actor_id = r.approver_id AND {_DETAIL.format("input_hash")} = r.input_hash
        AND {_DETAIL.format("reason_hash")} = encode(sha256(convert_to(r.reason, 'UTF8')), 'hex')
    WHERE r.studio_id = :studio AND e.seq IS NULL
    UNION ALL
    SELECT e.subject_id, 'its event ' || e.seq || ' gives an approval that has no row'
    FROM studio.audit_events AS e
    LEFT JOIN studio.approvals AS r
        ON r.studio_id = e.studio_id AND r.proposal_id = e.subject_id AND r.audit_seq = e.seq
    WHERE e.studio_id = :studio AND e.subject_kind = 'proposal' AND r.approval_id IS NULL
        AND split_part(e.name, ':', 3) IN ('approval_given', 'rollback_requested')
    UNION ALL
    SELECT r.execution_id, 'no event is about this execution'
    FROM studio.executions AS r {_EVENT}
        AND e.subject_kind = 'proposal' AND e.subject_id = r.proposal_id
    WHERE r.studio_id = :studio AND e.seq IS NULL
    UNION ALL
    SELECT r.exemption_id, 'no event grants this exemption'
    FROM studio.exemptions AS r {_EVENT}
        AND e.subject_kind = 'exemption' AND e.subject_id = r.exemption_id
    WHERE r.studio_id = :studio AND e.seq IS NULL
    UNION ALL
    SELECT r.exemption_id, 'no event ends this exemption'
    FROM studio.exemption_ends AS r {_EVENT}
        AND e.subject_kind = 'exemption' AND e.subject_id = r.exemption_id
    WHERE r.studio_id = :studio AND e.seq IS NULL
    UNION ALL
    SELECT e.subject_id, 'its event ' || e.seq || ' has no exemption'
    FROM studio.audit_events AS e
    LEFT JOIN studio.exemptions AS r ON r.studio_id = e.studio_id AND r.exemption_id = e.subject_id
    WHERE e.studio_id = :studio AND e.subject_kind = 'exemption' AND r.exemption_id IS NULL
    UNION ALL
    SELECT 'kill switch', 'no event is about its change ' || r.audit_seq
    FROM studio.kill_switch_changes AS r {_EVENT} AND e.subject_kind = 'kill_switch'
        AND split_part(e.name, ':', 3) = r.kind
    WHERE r.studio_id = :studio AND e.seq IS NULL
    UNION ALL
    SELECT 'kill switch', 'its event ' || e.seq || ' has no row'
    FROM studio.audit_events AS e
    LEFT JOIN studio.kill_switch_changes AS r ON r.studio_id = e.studio_id AND r.audit_seq = e.seq
    WHERE e.studio_id = :studio AND e.subject_kind = 'kill_switch' AND r.audit_seq IS NULL
    {_WORDS_AGREE}
) AS found
"""  # noqa: S608 - made of our own words

TRANSITIONS_ARE_LEGAL: Final = f"""
SELECT subject_id, 'event ' || seq || ': ' || coalesce(before, 'nothing') || ' to ' || state
FROM (
    SELECT subject_id, seq, state, lag(state) OVER (PARTITION BY subject_id ORDER BY seq) AS before
    FROM studio.audit_events
    WHERE studio_id = :studio AND subject_kind = 'proposal' AND state IS NOT NULL
) AS steps
WHERE CASE WHEN before IS NULL THEN state NOT IN ({_FIRST})
    ELSE before <> state AND (before, state) NOT IN ({_LEGAL}) END
"""  # noqa: S608 - made of our own table of transitions

# A switch that changed while the announcement was on its way is no breach: the call is refused after it.
NOTHING_EXECUTES_WHILE_HALTED: Final = """
SELECT x.execution_id, 'announced by event ' || announced.seq || ' while the kill switch was on'
FROM studio.executions AS x
JOIN LATERAL (
    SELECT e.seq FROM studio.audit_events AS e
    WHERE e.studio_id = x.studio_id AND e.subject_kind = 'proposal' AND e.subject_id = x.proposal_id
        AND e.seq < x.audit_seq
        AND split_part(e.name, ':', 3) = CASE x.kind WHEN 'rollback' THEN 'rolling_back' ELSE 'executing' END
    ORDER BY e.seq DESC LIMIT 1
) AS announced ON true
WHERE x.studio_id = :studio AND x.state = 'succeeded' AND (
        SELECT k.state FROM studio.audit_events AS k
        WHERE k.studio_id = x.studio_id AND k.subject_kind = 'kill_switch' AND k.subject_id = x.studio_id
            AND k.seq < announced.seq
        ORDER BY k.seq DESC LIMIT 1
    ) IS DISTINCT FROM 'off'
    AND NOT EXISTS (
        SELECT FROM studio.audit_events AS k
        WHERE k.studio_id = x.studio_id AND k.subject_kind = 'kill_switch' AND k.subject_id = x.studio_id
            AND k.state = 'off'
            AND k.seq BETWEEN announced.seq AND x.audit_seq
    )
"""

RULES: Final[Mapping[StandingCheck, str]] = {
    StandingCheck.EXECUTIONS_ARE_APPROVED: EXECUTIONS_ARE_APPROVED,
    StandingCheck.NOBODY_APPROVES_THEIR_OWN: NOBODY_APPROVES_THEIR_OWN,
    StandingCheck.ROWS_AND_EVENTS_AGREE: ROWS_AND_EVENTS_AGREE,
    StandingCheck.TRANSITIONS_ARE_LEGAL: TRANSITIONS_ARE_LEGAL,
    StandingCheck.NOTHING_EXECUTES_WHILE_HALTED: NOTHING_EXECUTES_WHILE_HALTED,
}
"""The rules that one statement can look for. Parameters: ``studio``; the caller adds a limit."""
