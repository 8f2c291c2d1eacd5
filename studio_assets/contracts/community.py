"""Contracts of what people ask and report: moderation, agent requests, support, lending (Firestore)."""

from studio_assets.contracts.model import Collection, Column, Kind, PersonalData
from studio_assets.contracts.vocabulary import (
    CREATED_AT,
    ONE_L_CANCELLED,
    UPDATED_AT,
    boolean,
    count,
    instant,
    lower_enum,
    member,
    text,
)

COMMUNITY_REPORTS = Collection(
    name="community_reports",
    source="firestore",
    path="communityReports",
    grain="One row per moderation report on community content.",
    columns=(
        lower_enum(
            "status",
            "status",
            "Step of the report; staff may set any from any.",
            ("open", "triaged", "actioned", "resolved", "dismissed"),
        ),
        lower_enum(
            "severity",
            "severity",
            "Chosen by the reporter, except that safety forces high.",
            ("low", "medium", "high"),
        ),
        lower_enum(
            "category",
            "category",
            "What is wrong with the content.",
            ("broken_link", "incorrect_info", "spam", "safety", "harassment_hate", "copyright", "other"),
        ),
        lower_enum(
            "targetType",
            "target_type",
            "Kind of content reported.",
            ("youtube_video", "blog_post", "studio_update", "event"),
        ),
        instant("resolvedAt", "resolved_at", "When it was resolved or dismissed; cleared when reopened."),
        boolean(
            "coordinationSignal",
            "coordination_signal",
            "True at 6 or more reports from 4 or more people in 1 h.",
        ),
        CREATED_AT,
        UPDATED_AT,
    ),
    change_column="updated_at",
    notes=(
        "Reporters choose the severity; count high only among open and triaged reports.",
        "The reporter is never read; the note and the target only in memory, and only of open reports.",
        "change_column: every staff action and appeal outcome sets updatedAt; reports are never deleted.",
    ),
    in_memory=(
        Column(
            "note",
            "note",
            Kind.TEXT,
            "What the reporter wrote, for a triage suggestion; its hash alone is kept.",
            personal_data=PersonalData.FREE_TEXT,
        ),
        Column(
            "target_id",
            "targetRef.id",
            Kind.TEXT,
            "Which content is reported, for counting reports of one; only a hash is kept.",
        ),
    ),
)

AGENT_REQUESTS = Collection(
    name="agent_requests",
    source="firestore",
    path="agentRequests",
    grain="One row per request from a member or an agent.",
    columns=(
        lower_enum(
            "status",
            "status",
            "Step of the request; closed are fulfilled, rejected and cancelled.",
            ("new", "triaged", "accepted", "in_progress", "ready", "fulfilled", "rejected", "cancelled"),
            ONE_L_CANCELLED,
        ),
        lower_enum(
            "kind",
            "kind",
            "What is asked for.",
            ("firing", "pickup", "delivery", "shipping", "commission", "x1c_print", "other"),
        ),
        lower_enum(
            "createdByMode",
            "created_by_mode",
            "How the caller signed in; pat is also used for delegated calls.",
            ("firebase", "pat", "delegated"),
        ),
        text("linkedBatchId", "linked_batch_id", "Batch the request is about."),
        text("commissionOrderId", "commission_order_id", "Agent order that pays for a commission."),
        lower_enum(
            "commissionPaymentStatus",
            "commission_payment_status",
            "Payment state copied from the commission's order.",
            (
                "payment_required",
                "checkout_pending",
                "checkout_created",
                "payment_pending",
                "paid",
                "paid_prepay",
                "payment_failed",
                "disputed",
                "refunded",
                "cancelled",
            ),
            ONE_L_CANCELLED,
        ),
        CREATED_AT,
        UPDATED_AT,
    ),
    change_column="updated_at",
    notes=(
        "A Stripe event on the linked order overwrites status, even on a fulfilled request.",
        "Title, summary, notes and the caller's own data are free text and never read.",
        "change_column: requests change only through functions, and each sets updatedAt.",
    ),
)

SUPPORT_REQUESTS = Collection(
    name="support_requests",
    source="firestore",
    path="supportRequests",
    grain="One row per message to the studio's support.",
    columns=(
        member("uid", "uid", "Member who wrote."),
        lower_enum(
            "category",
            "category",
            "Topic; a free word at the source, so unknown ones are expected.",
            ("account", "pieces", "kiln", "classes", "membership", "billing", "studio", "other", "workshops"),
        ),
        lower_enum("status", "status", "Only new is ever written.", ("new",)),
        lower_enum("urgency", "urgency", "How pressing the sender says it is.", ("non-urgent", "urgent")),
        lower_enum("channel", "channel", "Where it came in.", ("portal",)),
        CREATED_AT,
    ),
    notes=(
        "Workshop interest clicks land here too, so the row count is not a support backlog.",
        "Subject and body are free text and never read.",
        "No change_column: the documents carry no updatedAt.",
    ),
)

LIBRARY_LOANS = Collection(
    name="library_loans",
    source="firestore",
    path="libraryLoans",
    grain="One row per loan of a library item.",
    columns=(
        text("itemId", "item_id", "Item that is lent."),
        member("borrowerUid", "borrower_uid", "Member who borrowed it."),
        lower_enum(
            "status",
            "status",
            "Step of the loan; out are checked_out, return_requested and overdue.",
            ("checked_out", "return_requested", "overdue", "lost", "returned"),
        ),
        instant("loanedAt", "loaned_at", "When it went out."),
        instant("dueAt", "due_at", "When it is due back, 28 days after loaned_at."),
        instant("returnedAt", "returned_at", "When it came back."),
        instant("overdueAt", "overdue_at", "When it was marked overdue."),
        count(
            "renewalCount",
            "renewal_count",
            "How often it was renewed; the limit is 1.",
            "renewals",
            maximum=1000,
        ),
    ),
    notes=("No change_column: the documents carry no updatedAt.",),
)

COMMUNITY = (COMMUNITY_REPORTS, AGENT_REQUESTS, SUPPORT_REQUESTS, LIBRARY_LOANS)
