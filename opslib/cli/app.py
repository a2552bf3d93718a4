"""`opslib …`: the same steps for a terminal.

Exit codes: 0 done or nothing to do, 1 error (usage errors too) or failed and rolled back, 2 a plan has changes, 3 left
half-done. With --json, stdout is always one JSON document, errors included.
"""

import json
import os
import sys
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import click

from opslib.errors import HalfDone, InvalidInput, OpslibError

_json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="opslib")
def cli() -> None:
    """Route Genesys Cloud call recordings into an S3 bucket, safely, and keep the evidence."""


@cli.command()
@_json_option
@click.option("--seed", type=int, help="The same seed gives the same ids and names.")
@click.option("--read-lag-s", type=click.FloatRange(0), default=0.0, help="Reads are this many seconds old.")
@click.option("--rate-limit", type=click.IntRange(1), default=300, help="Requests per token and 60 s.")
@click.option(
    "--backend",
    type=click.Choice(["both", "storage-targets", "platform"]),
    default="both",
    help="Which Genesys API the org serves.",
)
@click.option("--until-stdin-closes", is_flag=True, help="Also stop at the end of standard input.")
def sandbox(
    as_json: bool,
    seed: int | None,
    read_lag_s: float,
    rate_limit: int,
    backend: Literal["both", "storage-targets", "platform"],
    until_stdin_closes: bool,
) -> None:
    """Run Genesys, S3 and a data lake on this machine, until Ctrl-C."""
    from opslib.sandbox.server.serve import serve

    serve(
        json_output=as_json,
        seed=seed,
        read_lag_s=read_lag_s,
        rate_limit=rate_limit,
        backend=backend,
        until_stdin_closes=until_stdin_closes,
    )


@cli.command()
@click.argument("notebook", type=click.Path(path_type=Path), default=Path("notebooks/00_start_here.ipynb"))
@click.option("--no-browser", is_flag=True, help="Only print the address.")
def lab(notebook: Path, no_browser: bool) -> None:
    """Open JupyterLab on a notebook, with a sandbox unless an org is configured."""
    from opslib.sandbox.launch import open_lab

    if not notebook.is_file():
        raise InvalidInput(
            f"There is no notebook {notebook}", cause="no such file", fix="run it from the project folder"
        )
    sys.exit(open_lab(notebook, browser=not no_browser))


_allow_option = click.option("--allow", multiple=True, metavar="NAME", help="Agree to an unsafe change, by its name.")
_reason_option = click.option("--reason", default="", help="Why; needed with --allow failed-validation.")


@cli.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--sandbox", "on_sandbox", is_flag=True, help="On a sandbox of its own; without FILE, its example.")
@_allow_option
@_reason_option
@_json_option
def onboard(file: Path | None, on_sandbox: bool, allow: tuple[str, ...], reason: str, as_json: bool) -> None:
    """Walk through all steps for the onboarding in FILE (or the one that OPSLIB_ONBOARDING names)."""
    from opslib.cli import onboard as commands
    from opslib.sandbox.launch import start_sandbox

    with start_sandbox() if on_sandbox else nullcontext() as own:
        if own:
            os.environ.update(own.environment())
        results = commands.onboard(file, allow=allow, reason=reason, quiet=as_json)
    if as_json:
        click.echo(json.dumps({"steps": results}))


@cli.command()
@click.argument("file", type=click.Path(path_type=Path))
@_json_option
def plan(file: Path, as_json: bool) -> None:
    """Show what would change for FILE. Writes nothing. Exit code 0: nothing to do, 2: changes."""
    from opslib.cli.onboard import plan_file

    sys.exit(plan_file(file, as_json=as_json))


_consent_options = [
    click.option("--yes", is_flag=True, help="Do it; without, only the plan is shown."),
    click.option("--checksum", help="Apply this plan only, as `opslib plan` printed it."),
    _allow_option,
    _reason_option,
    _json_option,
]


def _with_consent(command: Any) -> Any:
    for option in reversed(_consent_options):
        command = option(command)
    return command


@cli.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--rotate-credentials", is_flag=True, help="Write the target's secret again.")
@_with_consent
def apply(file: Path, rotate_credentials: bool, **options: Any) -> None:
    """Bring the org to what FILE says, as one transaction. Exit code 1: failed and rolled back, 3: half-done."""
    from opslib.cli.onboard import apply_file

    sys.exit(apply_file(file, rotate_credentials=rotate_credentials, **options))


@cli.command()
@click.argument("file", type=click.Path(path_type=Path))
@_with_consent
def offboard(file: Path, **options: Any) -> None:
    """Remove the webhook, policy and target that FILE names; needs --allow delete. Recordings stay."""
    from opslib.cli.onboard import apply_file

    sys.exit(apply_file(file, removal=True, **options))


@cli.command()
@_json_option
def resume(as_json: bool) -> None:
    """Finish an apply that a crash or a stop left unfinished."""
    from opslib.cli.onboard import recover

    sys.exit(recover("resume", as_json=as_json))


@cli.command()
@_json_option
def rollback(as_json: bool) -> None:
    """Undo an apply that a crash or a stop left unfinished."""
    from opslib.cli.onboard import recover

    sys.exit(recover("rollback", as_json=as_json))


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@_json_option
def drift(folder: Path, as_json: bool) -> None:
    """Plan every *.yaml file in FOLDER. Exit code 0: all as wanted, 2: some drifted, 1: some could not be read."""
    from opslib.cli.onboard import drift_folder

    sys.exit(drift_folder(folder, as_json=as_json))


@cli.command()
@click.argument("file", type=click.Path(path_type=Path), default=Path("onboarding.yaml"))
@click.option(
    "--backend",
    type=click.Choice(["storage-targets", "platform"]),
    default="storage-targets",
    envvar="OPSLIB_BACKEND",
    help="platform: the API that Genesys publishes.",
)
def init(file: Path, backend: Any) -> None:
    """Write a commented example to FILE; an existing file is left alone."""
    from opslib.onboarding.example import write_example
    from opslib.settings import Settings

    write_example(file, backend, Settings.load())
    click.echo(f"written: {file}")


@cli.command()
@click.argument("target_id")
@click.option("--policy", "policy_id", help="The policy's id; by default the only one of the target.")
@click.option("--webhook", "webhook_id", help="The webhook's id; by default the only one of the org.")
@click.option("--out", type=click.Path(path_type=Path), help="The file to write; by default stdout.")
def export(target_id: str, policy_id: str | None, webhook_id: str | None, out: Path | None) -> None:
    """Write the onboarding file of a target that exists, so that it can be kept from here on.

    On platform TARGET_ID, and the ids of policy and webhook, may be names.
    """
    from opslib.cli.onboard import export_target

    export_target(target_id, policy_id, webhook_id, out)


@cli.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--org-id", help="The Genesys organisation's id; by default the org is asked.")
@click.option("--print", "document", type=click.Choice(["terraform", "aws-cli"]), help="Print it, and ask AWS nothing.")
@_json_option
def check_feed(file: Path, org_id: str | None, document: str | None, as_json: bool) -> None:
    """Do Genesys's events reach FILE's data lake through AWS? Reads only. Exit code 0: every link is PASS."""
    from opslib.cli.event_feed import check_feed as command
    from opslib.cli.event_feed import print_document

    if document:
        print_document(document, file, org_id)
        return
    sys.exit(command(file, org_id, as_json=as_json))


@cli.command()
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    help="In UTC; by default the last look, or 7 days ago.",
)
@_json_option
def changes(since: datetime | None, as_json: bool) -> None:
    """Who changed targets, policies and feeds in the org? Reads only; what is found goes into the ledger."""
    from opslib.cli.onboard import org_changes

    sys.exit(org_changes(since.replace(tzinfo=UTC) if since else None, as_json=as_json))


@cli.command()
@_json_option
def doctor(as_json: bool) -> None:
    """What the org serves, who we are there and what we may do. Reads only. Exit code 0: nothing is FAIL."""
    from opslib.cli.onboard import doctor as command

    sys.exit(command(as_json=as_json))


@cli.command()
@click.argument("buckets", nargs=-1, required=True, metavar="BUCKET...")
@click.option("--profile", default="baseline", help="A profile of the kit, or a YAML file.")
@click.option("--region", default="us-east-1", envvar="AWS_DEFAULT_REGION", help="Where the buckets must be.")
@click.option("--prefix", default="", help="The folder that recordings go to.")
@click.option("--encryption", type=click.Choice(["AES256", "aws:kms"]), help="How recordings must be encrypted.")
@click.option("--retention-days", type=click.IntRange(1), help="How long recordings must stay.")
@click.option("--owner", metavar="ACCOUNT", help="The id of the account that the buckets must belong to.")
@click.option("--kms-key", metavar="ARN", help="The key of the buckets, for what --print writes.")
@click.option("--role-arn", metavar="ARN", help="The role that Genesys writes with, instead of the AWS key.")
@click.option("--external-id", metavar="ID", help="Goes with the role: your Genesys organisation's id.")
@click.option(
    "--print",
    "document",
    type=click.Choice(["checks", "writer", "trust", "terraform"]),
    help="Print the IAM policy for the checks or the writer, the role's trust, or Terraform, and ask nothing.",
)
@_json_option
def check_bucket(buckets: tuple[str, ...], document: str | None, as_json: bool, **options: Any) -> None:
    """Is each BUCKET fit to hold recordings? Exit code 0: no FAIL and no UNKNOWN."""
    from opslib.cli import bucket as command

    if document:
        command.print_document(document, buckets[0], as_json=as_json, **options)
        return
    sys.exit(command.check_bucket(buckets, as_json=as_json, **options))


_anchor_region_option = click.option(
    "--region", default="us-east-1", envvar="AWS_DEFAULT_REGION", help="Where the anchors' bucket is."
)


@cli.command()
@click.option("--run", "run_id", help="A run's id; by default the last walk.")
@click.option("--compare", "compare_with", metavar="RUN", help="A run's id; by default the walk before.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="The folder to write to.")
@_json_option
def audit(run_id: str | None, compare_with: str | None, out: Path, as_json: bool) -> None:
    """Write the reviewer's report from the ledger in the workspace: HTML, PDF, CSV, OCSF, JSON and their manifest."""
    from opslib.audit.folder import FILES, write_audit
    from opslib.settings import Settings

    settings = Settings.load()
    report = write_audit(
        out, home=settings.home, signing_key=settings.signing_key, run_id=run_id, compare_with=compare_with
    )
    if as_json:
        click.echo(json.dumps({"folder": str(out), "files": FILES}))
    else:
        click.echo("\n".join(f"written: {out / name}" for name in FILES))
        click.echo(f"of run {report.facts.run_id}, begun {report.facts.started.at}; --run names another")


@cli.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--key", metavar="KEY", help="The public key it must be signed with: ed25519:… or the file it is in.")
@click.option("--anchor", metavar="BUCKET", help="Check it against the anchors in this bucket, too.")
@_anchor_region_option
@_json_option
def verify(path: Path, **options: Any) -> None:
    """Prove that PATH (workspace folder, ledger file, export, or folder of an audit) is as it was signed.

    Exit code 0 only if it is; 1 also if nobody signed it.
    """
    from opslib.cli.evidence import verify_path

    sys.exit(verify_path(path, **options))


@cli.command()
@click.argument("bucket")
@_anchor_region_option
@click.option("--yes", is_flag=True, help="Do it; without, only what would be written is shown (exit code 2).")
@_json_option
def anchor(bucket: str, **options: Any) -> None:
    """Keep a signed checkpoint of the ledger in BUCKET, which needs Object Lock with a default retention."""
    from opslib.cli.evidence import anchor_ledger

    sys.exit(anchor_ledger(bucket, **options))


@cli.command()
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The file to write.")
@_json_option
def export_ledger(out: Path, as_json: bool) -> None:
    """Write the workspace's ledger as JSON lines, with its checkpoints and public key, and verify what was written."""
    from opslib.cli.evidence import export_ledger

    sys.exit(export_ledger(out, as_json=as_json))


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; every error becomes cause and fix on stderr, or JSON on stdout."""
    words = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    try:
        cli.main(words, standalone_mode=False)
    except click.ClickException as error:
        _fail(InvalidInput("Usage error", cause=error.format_message(), fix="see opslib --help"), words)
    except click.Abort as error:
        _fail(OpslibError("Interrupted", cause=str(error) or "Ctrl-C", fix="run it again"), words)
    except OpslibError as error:  # before OSError: some of ours are both
        _fail(error, words)
    except OSError as error:
        _fail(_refused_by_the_system(error), words)


def _refused_by_the_system(error: OSError) -> OpslibError:
    return OpslibError(
        f"{error.filename} cannot be used" if error.filename else "The operating system refused",
        cause=error.strerror or str(error),
        fix="check the path, its permissions and the free space, then run it again",
    )


def _fail(error: OpslibError, words: list[str]) -> None:
    if "--json" in words:
        click.echo(json.dumps(error.as_json()))
    else:
        click.echo(str(error), err=True)
    sys.exit(3 if isinstance(error, HalfDone) else 1)
