"""`opslib approve`: sign a plan that somebody else made. Reads two files, the plan and the key, and nothing else: no
settings, no .env, no workspace; and it asks no org and no AWS."""

import shlex
from datetime import UTC, datetime
from pathlib import Path

import click

from opslib.cli import options
from opslib.cli.confirm import agreed, can_ask, needs_yes
from opslib.cli.exit_codes import ExitCode
from opslib.cli.output import NEXT, say, say_json, say_text
from opslib.ledger.signing import Signer
from opslib.router.approval import (
    DEFAULT_DAYS,
    LONGEST_DAYS,
    PlanFile,
    exists_already,
    read_plan,
    refuse_to_sign,
    write_new,
)
from opslib.router.approval import approve as sign
from opslib.router.plan import Plan
from opslib.router.render import as_text
from opslib.router.unsafe_changes import UNSAFE
from opslib.settings import signing_key_of_environment


@click.command(
    epilog=options.examples(
        "opslib approve plan.json", 'opslib approve plan.json --reason "agreed in CHG-12" --expires-days 2'
    )
)
@click.argument("plan", type=options.PathType())
@click.option("--key", type=options.PathType(), help="The key to sign with; else OPSLIB_SIGNING_KEY. Made if absent.")
@click.option(
    "--reason",
    type=options.Text(),
    default="",
    metavar="TEXT",
    help="Why; needed for an unsafe plan, and in the audit.",
)
@click.option(
    "--expires-days",
    type=click.IntRange(1, LONGEST_DAYS),
    default=DEFAULT_DAYS,
    show_default=True,
    help="How long the approval holds.",
)
@click.option("--out", type=options.PathType(), help="Where to write it; by default beside PLAN.")
@options.yes
@options.as_json
def approve(
    plan: Path, key: Path | None, reason: str, expires_days: int, out: Path | None, yes: bool, as_json: bool
) -> ExitCode:
    """Sign exactly the plan in PLAN, a file that `opslib plan --out` wrote on another machine.

    Shows the plan and asks first. Needs no org, no AWS, no network and no workspace. Exit code 0: signed, 1: not.
    """
    file, out = read_plan(plan), out or plan.with_suffix(".approval.json")
    if out.exists():
        raise exists_already(out)
    if not as_json:
        _show(file)
    refuse_to_sign(file, reason)
    if not yes:
        if not can_ask(as_json=as_json):
            raise needs_yes("approve", "read what is above on a terminal")
        if not agreed(f"Sign exactly this plan, for {expires_days} days,", _place(file)):
            return ExitCode.FAILED
    signer = Signer.load(key or signing_key_of_environment())
    approval = sign(file, signer, datetime.now(UTC), reason=reason, days=expires_days)
    write_new(out, approval)
    if file.approvers is not None and signer.public_key not in file.approvers:
        say("warning: your key is not one that the plan's file lists, so it will be refused there", err=True)
    if as_json:
        say_json({"file": str(out), **approval.model_dump(mode="json")})
        return ExitCode.DONE
    said = approval.statement
    say(
        f"done: signed with key {signer.key_id}, until {said.expires_at}: {out}",
        f"your public key, to be listed where an approval is required: {signer.public_key}",
        f"{NEXT}whoever made the plan runs: opslib {_command(file.planned.plan)} --approval {shlex.quote(out.name)}",
    )
    return ExitCode.DONE


def _show(file: PlanFile) -> None:
    """The plan from itself, as `opslib plan` shows it; then what no key vouches for."""
    planned, made = file.planned, file.made
    say_text(as_text(planned.plan.as_json()))
    say(
        *(f"! {name}: {UNSAFE[name]}" for name in planned.unsafe),
        f"target {planned.target}, {_place(file)}",
        f"made at {made.at} by {made.user} on {made.host}, as that machine says",
    )


def _command(plan: Plan) -> str:
    """What carries a plan out."""
    if plan.undoes:
        return f"undo --run {shlex.quote(plan.undoes.run_id)}"
    if all(change.action == "delete" for change in plan.changes):
        return "offboard FILE"
    return f"apply FILE{' --rotate-credentials' if any(change.rotates for change in plan.changes) else ''}"


def _place(file: PlanFile) -> str:
    planned = file.planned
    org = f"org {planned.org.name} ({planned.org.id})" if planned.org.id else "an org that did not say which one it is"
    return f"in {org} at {planned.plan.where}, API {planned.plan.backend}"
