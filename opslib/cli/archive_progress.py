"""How far the reading of an archive is, on one line; a program reads the answer only."""

from collections.abc import Callable

from opslib.archive.listing import Progress
from opslib.cli.output import say_progress
from opslib.walk.archive_folder import Asking


def archive_teller(*, as_json: bool) -> Callable[[Progress | Asking], None]:
    """What shows the progress; with --json, what shows nothing."""
    return _quiet if as_json else _tell


def _tell(progress: Progress | Asking) -> None:
    say_progress(progress.words, last=progress.done == progress.known)


def _quiet(_: Progress | Asking) -> None:
    pass
