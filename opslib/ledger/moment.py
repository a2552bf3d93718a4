from datetime import UTC, datetime


def utc_now() -> str:
    """The time now as ISO 8601 in UTC with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
