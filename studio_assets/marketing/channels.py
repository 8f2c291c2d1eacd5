"""Where a draft would go, and what fits there."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Channel(StrEnum):
    """Kind of a draft."""

    INSTAGRAM = "instagram"
    EMAIL = "email"
    WEBSITE_NEWS = "website_news"
    EVENT_PROMOTION = "event_promotion"
    KILN_SCHEDULE = "kiln_schedule"


@dataclass(frozen=True, slots=True)
class Limits:
    """What fits: characters of subject (0: there is none) and body, and hashtags."""

    subject: int
    body: int
    hashtags: int


LIMITS: Final = {
    Channel.INSTAGRAM: Limits(subject=0, body=2200, hashtags=10),
    Channel.EMAIL: Limits(subject=70, body=4000, hashtags=0),
    Channel.WEBSITE_NEWS: Limits(subject=80, body=2500, hashtags=0),
    Channel.EVENT_PROMOTION: Limits(subject=90, body=900, hashtags=0),
    Channel.KILN_SCHEDULE: Limits(subject=70, body=1500, hashtags=0),
}


def over_limits(channel: Channel, subject: str, body: str) -> Iterator[str]:
    """Yield what does not fit, in words. Characters are counted as targets count them, in UTF-16 units."""
    limits = LIMITS[channel]
    for name, text, most in (("subject", subject, limits.subject), ("body", body, limits.body)):
        length = len(text.encode("utf-16-le", "surrogatepass")) // 2
        if length > most:
            yield f"The {name} has {length} characters; {channel} takes {most}."
    if limits.subject and not subject.strip():
        yield f"{channel} needs a subject."
    if not body.strip():
        yield "The body is empty."
    if "\n" in subject:
        yield "The subject is more than one line."
    if (tags := body.count("#") + subject.count("#")) > limits.hashtags:
        yield f"There are {tags} hashtags; {channel} takes {limits.hashtags}."
