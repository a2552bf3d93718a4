"""Onboarding files: write one, plan, apply, undo."""

import asyncio
import os
import shlex
import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import click

from opslib.cli import options
from opslib.cli.confirm import agreed, can_ask, needs_yes, place
from opslib.cli.exit_codes import ExitCode
from opslib.cli.interrupt import first_interrupt_stops, half_done_if_cancelled
from opslib.cli.output import NEXT, say, say_document, say_json, say_text
from opslib.cli.progress import progress_shown
from opslib.errors import InvalidInput, StalePlan
from opslib.onboarding.example import wanted_onboarding, write_example
from opslib.onboarding.file import as_yaml, load_onboarding
from opslib.onboarding.models import BackendName, Consent, Onboarding
from opslib.router.approval import Approval, exists_already, read_approval, write_new
from opslib.router.plan import Plan
from opslib.router.render import as_text
from opslib.router.undo import LAST
from opslib.sandbox.launch import start_sandbox
from opslib.settings import Settings
from opslib.walk.consent import options_for
from opslib.walk.org_settings import settings_for
from opslib.walk.second_key import plan_file, planned_of, refuse_before_connecting
from opslib.walk.walk import Walk


@click.command(epilog=options.examples("opslib init", "opslib init archive.yaml --backend platform"))
@click.argument("file", type=options.PathType(), default=Path("onboarding.yaml"))
@click.option(
    "--backend",
    type=options.Choice(["storage-targets", "platform"]),
    default="storage-targets",
    envvar="OPSLIB_BACKEND",
    help="platform: the API that Genesys publishes.",
)
def init(file: Path, backend: BackendName) -> None:
    """Write a commented example to FILE; an existing file is left alone."""
    write_example(file, backend, Settings.load())
    say(f"written: {file}, for the {backend} API", f"{NEXT}opslib plan {shlex.quote(str(file))}")


@click.command(
    epilog=options.examples("opslib plan onboarding.yaml", "opslib plan onboarding.yaml --out plan.json  # to approve")
)
@options.onboarding_file
@click.option("--out", type=options.PathType(), help="Also write the plan to a new file, for `opslib approve`.")
@click.option("--removal", is_flag=True, help="What `opslib offboard` would remove.")
@options.rotate_credentials
@options.paths
@options.as_json
def plan(file: Path, out: Path | None, paths: bool, as_json: bool, **kind: bool) -> ExitCode:
    """Show what would change for FILE, an onboarding file. Writes nothing to the org.

    Exit code 0: nothing to do, 2: changes.
    """
    rotating = " --rotate-credentials" if kind["rotate_credentials"] and not kind["removal"] else ""
    carry_out = f"{'offboard' if kind['removal'] else 'apply'} {shlex.quote(str(file))}{rotating}"
    return _show_plan(load_onboarding(file), out, carry_out, paths=paths, as_json=as_json, **kind)


@click.command(
    epilog=options.examples(
        "opslib apply onboarding.yaml",
        "opslib apply onboarding.yaml --yes --checksum CHECKSUM",
        'opslib apply onboarding.yaml --allow shorter-retention --reason "agreed"',
        "opslib apply onboarding.yaml --approval plan.approval.json",
    )
)
@options.onboarding_file
@options.rotate_credentials
@options.paths
@options.approval
@options.consent
def apply(file: Path, rotate_credentials: bool, **consent: Any) -> ExitCode:
    """Bring the org to what FILE says, as one transaction.

    Shows the plan and asks first. Without --yes, where nobody can be asked, it only shows the plan. Exit code 1: failed
    and rolled back, 2: not applied, 3: half-done.
    """
    return _change_org(load_onboarding(file), rotate_credentials=rotate_credentials, **consent)


@click.command(
    epilog=options.examples(
        "opslib offboard onboarding.yaml",
        'opslib offboard onboarding.yaml --yes --allow delete --reason "moved"',
    )
)
@options.onboarding_file
@options.paths
@options.approval
@options.consent
def offboard(file: Path, **consent: Any) -> ExitCode:
    """Remove the webhook, policy and target that FILE names; needs --allow delete and --reason. Recordings stay."""
    return _change_org(load_onboarding(file), removal=True, **consent)


@click.command(
    epilog=options.examples(
        "opslib undo",
        "opslib undo --run RUN --yes --checksum CHECKSUM",
        'opslib undo --allow delete --reason "wrong org"',
    )
)
@click.option(
    "--run",
    "run_id",
    type=options.Named(),
    metavar="RUN",
    default=LAST,
    help="The run to undo; by default the last apply.",
)
@click.option("--out", type=options.PathType(), help="Only write the plan to a new file, for `opslib approve`.")
@options.paths
@options.approval
@options.consent
def undo(run_id: str, out: Path | None, **consent: Any) -> ExitCode:
    """Undo a finished apply: restore what the ledger recorded before it.

    Shows the plan and asks first, as apply does, with the same exit codes. Refused where somebody has changed one of
    the objects since. An undo is an apply, too: undo its run to apply again. For an unfinished apply: opslib rollback.
    """
    if out:
        return _show_plan(None, out, "undo", paths=consent["paths"], as_json=consent["as_json"], undo=run_id)
    return _change_org(None, undo=run_id, **consent)


@click.command(
    epilog=options.examples("opslib onboard --sandbox", "opslib onboard onboarding.yaml", "opslib onboard a.yaml --yes")
)
@click.argument("file", type=options.PathType(), required=False)
@click.option("--sandbox", "on_sandbox", is_flag=True, help="On a sandbox of its own; without FILE, its example.")
@options.yes
@options.recordings
@options.planted
@options.approval
@options.allow
@options.reason
@options.until
@options.as_json
def onboard(
    file: Path | None,
    on_sandbox: bool,
    yes: bool,
    recordings: int | None,
    planted: bool,
    approval: Path | None,
    as_json: bool,
    **consent: Any,
) -> ExitCode:
    """Walk through all steps for the onboarding in FILE (or the one that OPSLIB_ONBOARDING names).

    Shows the plan and asks first; --yes does not ask. Where nobody can be asked, --yes is needed, except with
    --sandbox.
    """
    options.check_recordings(recordings, planted)
    if recordings and not on_sandbox:
        options.refuse("--recordings needs --sandbox: a live org has its own")
    if not (file or on_sandbox or Settings.load().onboarding):
        options.refuse("Missing argument 'FILE': name one, set OPSLIB_ONBOARDING, or use --sandbox.")
    asks = not yes and can_ask(as_json=as_json)
    if not (yes or asks or on_sandbox):
        raise needs_yes("onboard", "see what it would do: opslib plan FILE")
    with start_sandbox(recordings=recordings or 0, planted=planted) if on_sandbox else nullcontext() as own:
        if own:
            os.environ.update(own.environment())
        onboarding, checksum = load_onboarding(file) if file else None, None
        given = _Agreement(Consent(**consent), _approval(approval, onboarding))
        if asks:
            review = asyncio.run(_review(onboarding))
            say_text(as_text(review.plan.as_json()))
            if not agreed(f"{review.in_words}, and write the policy again to see its event arrive,", review.where):
                return ExitCode.CHANGES
            checksum = review.plan.checksum
        work = _walk_through(onboarding, checksum, given, quiet=as_json, show_plan=not asks)
        results = asyncio.run(half_done_if_cancelled(work))
    if as_json:
        say_json({"steps": results})
    return ExitCode.DONE


@click.command(epilog=options.examples("opslib export ProdVoiceArchive --out archive.yaml"))
@click.argument("target_id")
@click.option("--policy", "policy_id", help="The policy's id; by default the only one of the target.")
@click.option("--webhook", "webhook_id", help="The webhook's id; by default the only one of the org.")
@click.option("--out", type=options.PathType(), help="The file to write; by default stdout.")
def export(target_id: str, policy_id: str | None, webhook_id: str | None, out: Path | None) -> None:
    """Write the onboarding file of a target that exists, so that it can be kept from here on.

    On platform TARGET_ID, and the ids of policy and webhook, may be names.
    """
    text = as_yaml(asyncio.run(_adopt(target_id, policy_id, webhook_id)))
    if out is None:
        say_document(text, nl=False)
        return
    try:
        with out.open("x", encoding="utf-8") as file:  # which follows no link either
            file.write(text)
    except FileExistsError:
        raise InvalidInput(f"{out} exists already", cause="it would be overwritten", fix="name another file") from None
    say(f"written: {out}")


def _show_plan(
    onboarding: Onboarding | None, out: Path | None, carry_out: str, *, paths: bool, as_json: bool, **kind: Any
) -> ExitCode:
    """Show a plan, and write it to `out`. `carry_out` is the command that does it."""
    if out and out.exists():
        raise exists_already(out)
    plan = asyncio.run(_plan(onboarding, out, **kind))
    if as_json:
        say_json(plan.as_json())
        return ExitCode.CHANGES if plan.changes else ExitCode.DONE
    say_text(as_text(plan.as_json(), paths=paths))
    if out:
        say(f"written: {out}")
    if out and plan.changes:
        say(f"{NEXT}somebody else, elsewhere, runs: opslib approve {shlex.quote(out.name)}")
    elif plan.changes:
        say(f"{NEXT}opslib {carry_out}{_options_for(plan)}")
    return ExitCode.CHANGES if plan.changes else ExitCode.DONE


async def _plan(onboarding: Onboarding | None, out: Path | None, **kind: Any) -> Plan:
    """What would change, also written to a file to be approved."""
    async with _planned(onboarding, **kind) as walk:
        if out:
            write_new(out, plan_file(walk))
        return walk.reviewed_plan()


def _change_org(
    onboarding: Onboarding | None,
    *,
    yes: bool,
    paths: bool,
    checksum: str | None,
    approval: Path | None,
    allow: tuple[str, ...],
    reason: str,
    until: date | None,
    as_json: bool,
    **kind: Any,
) -> ExitCode:
    """Plan, ask unless `yes`, approve and apply. `kind` is a removal, an undo or a rotation, see Walk."""
    given = _Agreement(Consent(allow=allow, reason=reason, until=until), _approval(approval, onboarding, **kind))
    if not yes:
        review = asyncio.run(half_done_if_cancelled(_review(onboarding, checksum, **kind)))
        if not _agreed_to(review, given, paths=paths, as_json=as_json):
            return ExitCode.CHANGES if review.plan.changes else ExitCode.DONE
        checksum = review.plan.checksum
    work = _apply(onboarding, checksum, given, show=yes and not as_json, paths=paths, **kind)
    plan, applied = asyncio.run(half_done_if_cancelled(work))
    if as_json:
        say_json({**plan.as_json(), "applied": applied})
    elif applied:
        say(f"done: {'undone' if plan.undoes else 'applied'} and read back")
    elif plan.changes:
        say(
            "nothing was written to the org: since the plan was made, somebody else has brought the org to what it says"
        )
    else:
        say_text(as_text(plan.as_json()))
    return ExitCode.DONE


@dataclass(frozen=True)
class _Agreement:
    """What the user agrees to on the command line, and the approval of a second key."""

    consent: Consent
    approval: Approval | None

    def covers(self, plan: Plan) -> bool:
        """Whether everything unsafe in the plan is named, with a reason."""
        signed = self.approval.statement.unsafe if self.approval else ()
        left = set(plan.unsafe) - set(signed)
        return not left or (left <= set(self.consent.allow) and bool(self.consent.reason))

    def give(self, walk: Walk) -> Consent:
        """To a walk; returns the consent."""
        walk.approval = self.approval
        return self.consent


def _approval(path: Path | None, onboarding: Onboarding | None, undo: str = "", **_: bool) -> Approval | None:
    """What a second key signed. Raises where it is known before connecting that it does not count."""
    if path is None:
        return None
    approval, settings = read_approval(path), settings_for(onboarding)
    refuse_before_connecting(approval, settings, None if undo else onboarding or wanted_onboarding(settings))
    return approval


@dataclass(frozen=True)
class _Review:
    """A plan that was made to be looked at, and where it would be carried out, in words."""

    plan: Plan
    where: str

    @property
    def in_words(self) -> str:
        """What would be written."""
        parts = ", ".join(f"{change.action} {change.kind} {change.name}" for change in self.plan.changes)
        many = "change" if len(self.plan.changes) == 1 else "changes"
        if not parts:
            return "Change nothing (the org is as wanted)"
        what = f"Undo run {self.plan.undoes.run_id} with" if self.plan.undoes else "Apply"
        return f"{what} {len(self.plan.changes)} {many} ({parts})"


def _agreed_to(review: _Review, given: _Agreement, *, paths: bool, as_json: bool) -> bool:
    """Show the plan and ask. Nobody is asked about a plan without changes, one that would be refused, or where nobody
    can be."""
    plan = review.plan
    if as_json:
        say_json({**plan.as_json(), "applied": False})
        return False
    say_text(as_text(plan.as_json(), paths=paths))
    if not plan.changes:
        return False
    if not can_ask(as_json=as_json):
        say("nothing was written; add --yes to apply it", err=True)
        return False
    if not given.covers(plan):
        say(f"nothing was written; what is unsafe (!) needs {options_for(plan.unsafe)}", err=True)
        return False
    return agreed(review.in_words, review.where)


async def _review(onboarding: Onboarding | None, checksum: str | None = None, **kind: Any) -> _Review:
    """What would change now. Writes nothing."""
    async with _planned(onboarding, **kind) as walk:
        org = planned_of(walk).org
        where = place(walk.settings, f"{org.name} ({org.id})" if org.id else "")
        return _Review(_reviewed(walk, checksum), where)


@asynccontextmanager
async def _planned(onboarding: Onboarding | None, **kind: Any) -> AsyncIterator[Walk]:
    """A walk that has made its plan."""
    async with Walk(onboarding, command="plan", **kind) as walk:
        with progress_shown(walk):
            await walk.run("connect")
            await walk.run("plan")
        yield walk


def _options_for(plan: Plan) -> str:
    """What an unsafe plan needs on the command line."""
    return f" {options_for(plan.unsafe)}" if plan.unsafe else ""


async def _apply(
    onboarding: Onboarding | None, checksum: str | None, given: _Agreement, *, show: bool, paths: bool, **kind: Any
) -> tuple[Plan, bool]:
    """The plan, and whether anything was written: another process may have been first.

    Without a change, too, the bucket is checked and the run noted to its end: an audit shows the last one.
    """
    written = False
    async with Walk(onboarding, **kind) as walk:
        with first_interrupt_stops(walk), progress_shown(walk):
            async for result in walk.in_order(given.give(walk), until="apply"):
                if result.step == "plan" and _reviewed(walk, checksum).changes and show:
                    say_text(as_text(result.data, paths=paths))
                written = result.step == "apply" and bool(result.data["changes"])
        return walk.reviewed_plan(), written


def _reviewed(walk: Walk, checksum: str | None) -> Plan:
    """The walk's plan. Raises StalePlan if it has not the checksum that was reviewed."""
    plan = walk.reviewed_plan()
    if checksum and checksum != plan.checksum:
        raise StalePlan(
            "The plan is not the one that was reviewed",
            cause=f"its checksum is {plan.checksum}, and {checksum} was asked for",
            fix="review the plan again; nothing was written to the org",
        )
    return plan


async def _walk_through(
    onboarding: Onboarding | None, checksum: str | None, given: _Agreement, *, quiet: bool, show_plan: bool
) -> list[dict[str, Any]]:
    """Every step of the walk in order, each told as it ends. Raises the first error."""
    results = []
    async with Walk(onboarding) as walk:
        with first_interrupt_stops(walk), progress_shown(walk):
            async for result in walk.in_order(given.give(walk)):
                results.append({name: getattr(result, name) for name in ("step", "state", "summary", "data")})
                if result.step == "plan":
                    _reviewed(walk, checksum)
                if not quiet:
                    say(f"{result.state:8} {result.summary}")
                    if result.step == "plan" and show_plan:
                        say_text(textwrap.indent(as_text(result.data), " " * 9))
    return results


async def _adopt(target_id: str, policy_id: str | None, webhook_id: str | None) -> Onboarding:
    """The onboarding of what exists. What Genesys does not know about it is an example, and said on stderr."""
    async with Walk(command="export") as walk:
        await walk.run("connect")
        onboarding = await walk.backend.adopt(target_id, policy_id, webhook_id)
        for warning in walk.backend.warnings(onboarding):
            say(f"⚠ {warning}", err=True)
        for note in walk.backend.notes(onboarding):
            say(f"i {note}", err=True)
        return onboarding
