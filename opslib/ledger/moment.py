from datetime import UTC, datetime


def utc_now() -> str:
    """The time now as ISO 8601 in UTC with milliseconds."""
    return utc_text(datetime.now(UTC))


def utc_text(moment: datetime) -> str:
    """A moment in UTC, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_moment(text: str) -> datetime:
    """A moment that somebody typed: ISO 8601 with an offset, or milliseconds since 1970. Raises ValueError."""
    try:
        milliseconds = text.removeprefix("-").isdecimal()
        moment = datetime.fromtimestamp(int(text) / 1000, UTC) if milliseconds else datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"{text!r} is not a time; write 2026-01-31T00:00:00Z, or milliseconds since 1970") from None
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no offset; write {moment.isoformat()}Z for UTC")
    return moment
