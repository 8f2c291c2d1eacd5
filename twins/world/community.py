"""Community reports and support messages.

Reports are closed by staff within days; a reporter chooses the severity, except that safety forces high.
Support messages stay new for ever: nothing in the portal writes another status.
"""

from datetime import date, datetime, timedelta

from twins.world import almanac
from twins.world.chance import Dice, draw_id
from twins.world.incidents import Incident
from twins.world.operations import Document
from twins.world.people import MARK, People, Person, remark
from twins.world.studio import Studio

REPORTS_A_DAY = 0.55
MESSAGES_A_DAY = 0.6
_CATEGORIES = (
    ("broken_link", 4.0),
    ("incorrect_info", 3.0),
    ("spam", 2.0),
    ("safety", 0.5),
    ("harassment_hate", 0.5),
    ("copyright", 0.7),
    ("other", 1.5),
)
_TARGETS = ("youtube_video", "blog_post", "studio_update", "event")
_TOPICS = ("Account", "Pieces", "Kiln", "Classes", "Membership", "Billing", "Studio", "Other", "Workshops")
_BRIGADE_REPORTERS, _BRIGADE_REPORTS = 4, 6  # from the sixth report of the fourth reporter within an hour


class Community:
    """The desk that reads reports and messages."""

    def __init__(self, studio: Studio, people: People) -> None:
        self._studio = studio
        self._people = people

    def open_day(self, day: date) -> None:
        """Take today's reports and messages, and a brigade when one is due."""
        studio = self._studio
        level = almanac.level(day, studio.settings.first_day)
        for number in range(studio.arrivals("reports", day, REPORTS_A_DAY * level)):
            dice = studio.dice("report", day, number)
            studio.at(almanac.moment(dice, day, 6, 23), self._report, dice)
        for number in range(studio.arrivals("support", day, MESSAGES_A_DAY * level)):
            dice = studio.dice("message", day, number)
            studio.at(almanac.moment(dice, day, 7, 23), self._write_message, dice)
        brigade = studio.incidents.opening_on("report_brigade", day)
        if brigade:
            dice = studio.dice("brigade", day)
            begins_at = almanac.moment(dice, day, 12, 18)
            reporters = dice.some(self._people.members, _BRIGADE_REPORTERS + 1)
            target = draw_id("target", day)
            for number in range(brigade.wanted):
                own = studio.dice("brigade", day, number)
                reporter = reporters[number % len(reporters)]
                studio.at(
                    begins_at + timedelta(minutes=5 * number),
                    self._join_brigade,
                    brigade,
                    own,
                    reporter,
                    target,
                    number,
                )

    def _report(self, dice: Dice) -> None:
        at = self._studio.now
        incidents = self._studio.incidents
        safety = incidents.claim("safety_reports", at)
        forgotten = None if safety else incidents.claim("forgotten_report", at)
        late = safety or forgotten
        category = "safety" if late else dice.weighted(_CATEGORIES)
        reporter = self._people.member(dice)
        path = self._write_report(dice, category, reporter, draw_id("target", at), at, brigade_reports=0)
        ordinary = dice.days(5, 8) if safety else dice.hours(2, 60)
        seen_at = almanac.next_staffed(dice, at + (dice.days(20, 26) if forgotten else ordinary))
        if late:
            late.affect(at, path)
            late.end(seen_at)
        self._studio.at(seen_at, self._triage, path, dice)

    def _join_brigade(
        self, brigade: Incident, dice: Dice, reporter: Person, target: str, number: int
    ) -> None:
        at = self._studio.now
        path = self._write_report(dice, "spam", reporter, target, at, brigade_reports=number + 1)
        brigade.affect(at, path)
        seen_at = almanac.next_staffed(dice, at + dice.hours(12, 40))
        self._studio.at(seen_at, self._triage, path, dice)

    def _write_report(
        self, dice: Dice, category: str, reporter: Person, target: str, at: datetime, *, brigade_reports: int
    ) -> str:
        studio = self._studio
        path = f"communityReports/{studio.new_id('communityReports')}"
        severity = dice.weighted((("low", 6.0), ("medium", 3.0), ("high", 0.7)))
        kind = dice.pick(_TARGETS)
        document: Document = {
            "reporterUid": reporter.uid,
            "status": "open",
            "severity": "high" if category == "safety" else severity,
            "category": category,
            "note": remark(dice) if dice.chance(0.6) else None,
            "targetType": kind,
            "targetRef": {"id": target},
            "targetSnapshot": {"title": f"A {kind.replace('_', ' ')}", "author": f"author ({MARK})"},
            "assigneeUid": None,
            "resolutionCode": None,
            "resolvedAt": None,
            "dedupeKey": draw_id("dedupe", reporter.uid, target, at, length=40).lower(),
            "coordinationSignal": brigade_reports >= _BRIGADE_REPORTS,
            "createdAt": at,
            "updatedAt": at,
        }
        if brigade_reports:
            document["coordinationReportCount"] = brigade_reports
            document["coordinationUniqueReporterCount"] = min(brigade_reports, _BRIGADE_REPORTERS + 1)
        studio.set(path, document)
        return path

    def _triage(self, path: str, dice: Dice) -> None:
        at = self._studio.now
        staff = self._people.someone_on_staff(dice)
        self._studio.touch(path, {"status": "triaged", "assigneeUid": staff.uid})
        closed_at = almanac.next_staffed(dice, at + dice.hours(1, 72))
        self._studio.at(closed_at, self._close, path, dice)

    def _close(self, path: str, dice: Dice) -> None:
        at = self._studio.now
        status = dice.weighted((("resolved", 5.0), ("dismissed", 3.0), ("actioned", 2.0)))
        changes: dict[str, object] = {"status": status}
        if status == "actioned":
            changes["lastActionType"] = dice.pick(("unpublish", "replace_link", "flag_for_review"))
        else:
            changes["resolvedAt"] = at
            changes["resolutionCode"] = "no_violation" if status == "dismissed" else "fixed"
        self._studio.touch(path, changes)
        if status == "actioned" and dice.chance(0.5):
            later = almanac.next_staffed(dice, at + dice.days(2, 10))
            self._studio.at(later, self._resolve, path)

    def _resolve(self, path: str) -> None:
        self._studio.touch(path, {"status": "resolved", "resolvedAt": self._studio.now})

    def _write_message(self, dice: Dice) -> None:
        at = self._studio.now
        studio = self._studio
        person = self._people.member(dice)
        topic = dice.pick(_TOPICS)
        document = {
            "uid": person.uid,
            "subject": f"{topic} ({MARK})",
            "body": remark(dice),
            "category": topic,
            "status": "new",
            "urgency": "non-urgent",
            "channel": "portal",
            "createdAt": at,
            "displayName": person.display_name,
            "email": person.email,
        }
        if topic == "Workshops":
            document |= {"source": "workshop_interest", "level": "beginner"}
        studio.set(f"supportRequests/{studio.new_id('supportRequests')}", document)
