"""Why is a recording missing? Asks the org for what the newest verification found missing, and for nothing else.

The command line and the notebook call the same code. The number of requests grows with what is missing: one for each
conversation, and a few for all of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from opslib.archive import missing as missing_list
from opslib.archive import why as why_list
from opslib.archive.ids import canonical
from opslib.archive.kept_metadata import KeptMetadata
from opslib.archive.missing import Missing, file_sha256, read_missing
from opslib.archive.reasons import Beside, Explained, Unanswered, explained
from opslib.archive.times import moment_ms
from opslib.archive.why import WITHIN_DAYS, Why
from opslib.errors import InvalidInput, OpslibError, foreseen
from opslib.genesys.recorder import Recorder
from opslib.ledger.archive import EXPLAINED, VERIFIED
from opslib.ledger.chain import Entry
from opslib.ledger.ledger import Run
from opslib.ledger.workspace import kind_of, workspace_ledger
from opslib.settings import Settings
from opslib.walk.archive_folder import Asking, archive_folder, in_a_thread
from opslib.walk.archive_org import connected, wanted_backend
from opslib.walk.why_beside import beside
from opslib.walk.why_metadata import Metadata

Tell = Callable[[Asking], None]

ASKED_BY_VERIFY: Final = 1_000
"""How many conversations a verification asks about, those that are deleted first. `opslib archive why` has no limit."""


async def why_missing(
    settings: Settings | None = None, *, within_days: float = WITHIN_DAYS, progress: Tell = lambda _: None
) -> Why:
    """Ask why the recordings are missing that the newest verification of the workspace found so, and note the answer.

    A run that was stopped goes on within a day, and asks only for what it lacks. Where nothing is missing, nothing is
    asked.

    Raises InvalidInput without a verification that can be used, or an org in the settings; WrongOrg, the ApiError of an
    org that does not take the client, Busy, LedgerError, and OSError.
    """
    settings = settings or Settings.load()
    with archive_folder(settings) as folder:
        ledger = workspace_ledger(settings)
        verified = _newest(ledger.proved_entries(VERIFIED))
        run = ledger.start_run("archive", bucket=verified.data["bucket"], **kind_of(settings))
        look = _Look(settings, run, folder, verified, within_days, progress)
        return await look.note(await look.ask(None))


async def why_after(settings: Settings, run: Run, folder: Path, verified: Entry, progress: Tell) -> Why:
    """The same for a verification that was just noted, by which the archive's folder is locked. Whatever goes wrong is
    the reason why nothing is known. Raises LedgerError, and OSError."""
    look = _Look(settings, run, folder, verified, WITHIN_DAYS, progress)
    try:
        found = await look.ask(ASKED_BY_VERIFY)
    except Exception as error:  # noqa: BLE001 (a verification stands without it)
        found = look.not_known(foreseen(error, "asking why recordings are missing"))
    return await look.note(found)


def _newest(entries: Sequence[Entry]) -> Entry:
    if not entries:
        cause, fix = "the workspace has no verification of an archive", "run `opslib archive verify`"
    elif not entries[-1].data["answer"]["complete"]:
        cause, fix = "the bucket was not read whole, so what is missing is not known", "verify again without its gaps"
    elif "missing" not in entries[-1].data:
        cause, fix = "the newest verification kept no list of what is missing", "run `opslib archive verify` again"
    else:
        return entries[-1]
    raise InvalidInput("There is nothing to explain", cause=cause, fix=f"{fix}; nothing was asked")


@dataclass
class _Look:
    """One look for the reasons of what a verification found missing, of which `verified` is the entry."""

    settings: Settings
    run: Run
    folder: Path
    verified: Entry
    within_days: float
    progress: Tell
    list: Sequence[Missing] = ()
    notes: Sequence[str] = ()
    recorder: Recorder = field(init=False)

    def __post_init__(self) -> None:
        self.recorder = Recorder(self.run.note)

    async def ask(self, limit: int | None) -> Why:
        """Of at most so many conversations, if a limit is given. Without a missing one, no org is asked."""
        if not self.verified.data["answer"]["counts"]["missing"]:
            return self._why([], moment_ms(datetime.now(UTC)))
        path = self.folder / missing_list.FILE
        self.list = await in_a_thread(partial(read_missing, path, self.verified.data["missing"]["sha256"]))
        conversations = list(dict.fromkeys(canonical(one.conversation_id) for one in self.list))
        async with connected(self.settings, self.run, self.recorder) as session:
            metadata = Metadata(session.client, self._kept(), self.progress)
            await metadata.ask(conversations[:limit])
            said = [(one, metadata.of(canonical(one.conversation_id))) for one in self.list]
            listed = [(one, found) for one, found in said if not isinstance(found, Unanswered)]
            on_platform = wanted_backend(self.settings) == "platform"
            known, self.notes = await beside(session.client, listed, policies=on_platform)
        rows = [row for one, found in said for row in explained(one, found, known)]
        metadata.finish()
        return self._why(rows, known.now_ms)

    def not_known(self, error: OpslibError) -> Why:
        """The answer where the org could not be asked."""
        unanswered = Unanswered.of(error)
        rows = [row for one in self.list for row in explained(one, unanswered, Beside(0))]
        if not rows:
            self.notes = [f"The reasons are not known: {unanswered.cause}. {unanswered.fix}"]
        return self._why(rows, moment_ms(datetime.now(UTC)))

    async def note(self, found: Why) -> Why:
        """Keep the whole list in the workspace, and the answer with its hash in the ledger."""
        path = self.folder / why_list.FILE
        await in_a_thread(partial(found.write, path))
        kept = {"sha256": await in_a_thread(partial(file_sha256, path)), "rows": len(found.rows)}
        bucket, answer = self.verified.data["bucket"], found.as_json(why_list.FIRST)
        self.run.append(EXPLAINED, {"bucket": bucket, "list": kept, "answer": answer})
        return found

    def _why(self, rows: Sequence[Explained], now_ms: int) -> Why:
        data = self.verified.data
        verification = {
            "run_id": self.verified.run_id,
            "entry": self.verified.seq,
            "at": self.verified.at,
            "bucket": data["bucket"],
            "prefix": data["prefix"],
            "missing": data["answer"]["counts"]["missing"],
            "sha256": data["missing"]["sha256"],
        }
        requests = len(self.recorder.latency_samples)
        return Why(verification, rows, now_ms, requests, self.notes, self.within_days)

    def _kept(self) -> KeptMetadata:
        source = f"{self.settings.api_base} {self.settings.client_id} {self.verified.data['missing']['sha256']}"
        return KeptMetadata(self.folder / "why", source)
