from enum import IntEnum


class ExitCode(IntEnum):
    """What each command returns; `app` ends the process with it."""

    DONE = 0
    """Done, or nothing to do."""
    FAILED = 1
    """An error (usage errors too), or failed and rolled back."""
    CHANGES = 2
    """A plan has changes, and nothing was written."""
    HALF_DONE = 3
    """Something is left to do."""
