"""The metadata of the recordings of many conversations: some requests at once, kept as they come."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from opslib.archive.kept_metadata import KeptMetadata
from opslib.archive.reasons import Recorded, Unanswered
from opslib.archive.times import moment_ms
from opslib.errors import AuthenticationFailed, OpslibError, PermissionMissing
from opslib.genesys.client import GenesysClient
from opslib.genesys.recordings import RecordingMetadata, recordings_of
from opslib.genesys.together import together
from opslib.onboarding.values import is_guid
from opslib.walk.archive_folder import Asking

PERMISSION: Final = "recording:recording:view"

_AT_ONCE: Final = 8
# So many answers are lost at most when the process is killed.
_KEPT_AT_ONCE: Final = 200
# After so many failures in a row, the org is not asked for the others.
_FAILURES: Final = 5

_NO_ID: Final = Unanswered("this is not an id of a conversation at Genesys", "Correct the expected list.")
_NO_CONVERSATION: Final = Unanswered(
    "Genesys has no such conversation: it is another org's, or was deleted with its recordings",
    "Check that the expected list is this org's; if it is, nothing is left at Genesys.",
)
_NOT_ASKED: Final = Unanswered(
    "not asked: a verification asks about those that are deleted first", "Run `opslib archive why`."
)


class Metadata:
    """What the org says of each conversation. Answers that `kept` has are not asked for."""

    def __init__(self, client: GenesysClient, kept: KeptMetadata, progress: Callable[[Asking], None]) -> None:
        self._client, self._kept, self._progress = client, kept, progress
        self._new: dict[str, list[Recorded] | None] = {}
        self._failed: dict[str, Unanswered] = {}
        self._in_a_row = 0
        self._given_up: Unanswered | None = None
        self._known = 0

    async def ask(self, conversations: Sequence[str]) -> None:
        """For all of them, by their ids. A run that is stopped keeps what came.

        Raises AuthenticationFailed: then nothing can be answered.
        """
        self._known = len(conversations)
        todo = (one for one in conversations if one not in self._kept.answers and is_guid(one))
        try:
            await together(*(self._work(todo) for _ in range(_AT_ONCE)))
        finally:
            self._keep()

    def of(self, conversation: str) -> list[Recorded] | Unanswered:
        """Its recordings, or why they are not known."""
        if conversation in self._kept.answers:
            found = self._kept.answers[conversation]
            return _NO_CONVERSATION if found is None else found
        if not is_guid(conversation):
            return _NO_ID
        return self._failed.get(conversation) or self._given_up or _NOT_ASKED

    def finish(self) -> None:
        """Everything was used. Where something failed, what came stays for the next run."""
        if not self._failed:
            self._kept.remove()

    async def _work(self, todo: Iterator[str]) -> None:
        for conversation in todo:
            if self._given_up:
                return
            await self._one(conversation)

    async def _one(self, conversation: str) -> None:
        try:
            found = await recordings_of(self._client, conversation)
        except AuthenticationFailed:
            raise
        except OpslibError as error:
            self._fail(conversation, error)
            return
        self._in_a_row = 0
        self._new[conversation] = None if found is None else list(map(_recorded, found))
        if len(self._new) >= _KEPT_AT_ONCE:
            self._keep()
        self._progress(Asking("recordings that are missing, asked of the org", self._done, self._known))

    def _fail(self, conversation: str, error: OpslibError) -> None:
        self._failed[conversation] = Unanswered.of(error, PERMISSION)
        self._in_a_row += 1
        if isinstance(error, PermissionMissing) or self._in_a_row >= _FAILURES:
            self._given_up = self._failed[conversation]

    @property
    def _done(self) -> int:
        return len(self._kept.answers) + len(self._new)

    def _keep(self) -> None:
        if self._new:
            self._kept.add(self._new)
            self._new = {}


def _recorded(one: RecordingMetadata) -> Recorded:
    dates = one.dates
    times = (
        None if date is None else moment_ms(date) for date in (dates.delete_at, dates.export_at, dates.exported_at)
    )
    return Recorded(one.id, one.file_state, *times)
