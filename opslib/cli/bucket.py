"""`opslib check-bucket`: buckets against a profile, as a table or JSON, and the documents that a bucket needs."""

import asyncio
from typing import Annotated, Any

import click
from pydantic import Field

from opslib.cli import options
from opslib.cli.exit_codes import ExitCode
from opslib.cli.output import say, say_document, say_json, say_progress, say_text
from opslib.credentials import AwsKeys, RoleReference, usual_keys
from opslib.errors import AwsCredentialsInvalid, InvalidInput
from opslib.onboarding.values import AwsRegion, BucketName, PathPrefix, checked, checked_value, folder_of
from opslib.settings import Settings
from opslib.validator.bucket import check_buckets
from opslib.validator.documents import iam
from opslib.validator.documents.terraform import template
from opslib.validator.profile import BUILT_IN, Profile
from opslib.validator.profile_loader import load_profile
from opslib.validator.render import as_text
from opslib.validator.wanted import Wanted

_Account = Annotated[str, Field(pattern=r"^\d{12}$")]
_KeyArn = Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+$")]


@click.command(
    epilog=options.examples(
        "opslib check-bucket my-recordings --retention-days 365",
        "opslib check-bucket my-recordings --profile sec-17a-4 --json",
        "opslib check-bucket my-recordings --print terraform > bucket.tf",
    )
)
@click.argument("buckets", nargs=-1, required=True, metavar="BUCKET...")
@click.option("--profile", default="baseline", help=f"One of {', '.join(BUILT_IN)}, or a YAML file.")
@click.option("--region", default="us-east-1", envvar="AWS_DEFAULT_REGION", help="Where the buckets must be.")
@click.option(
    "--prefix", help="The folder that recordings go to; with a role, your organisation's id unless given; else any."
)
@click.option("--encryption", type=options.Choice(["AES256", "aws:kms"]), help="How recordings must be encrypted.")
@click.option("--retention-days", type=click.IntRange(1), help="How long recordings must stay.")
@click.option("--owner", metavar="ACCOUNT", help="The id of the account that the buckets must belong to.")
@click.option("--kms-key", metavar="ARN", help="The key of the buckets, for what --print writes.")
@click.option("--role-arn", metavar="ARN", help="The role that Genesys writes with, instead of the AWS key.")
@click.option("--external-id", metavar="ID", help="Goes with the role: your Genesys organisation's id.")
@click.option(
    "--print",
    "document",
    type=options.Choice(["checks", "writer", "trust", "terraform"]),
    help="Print the IAM policy for the checks or the writer, the role's trust, or Terraform, and ask nothing.",
)
@options.as_json
def check_bucket(
    buckets: tuple[str, ...], document: str | None, profile: str, as_json: bool, **requirements: Any
) -> ExitCode:
    """Is each BUCKET fit to hold recordings? Exit code 0: no FAIL and no UNKNOWN."""
    if document:
        wanted = _wanted(buckets[0], keys=None, domain=Settings.load().region, **requirements)
        _print_document(document, wanted, load_profile(profile), as_json=as_json)
        return ExitCode.DONE
    rules, keys = load_profile(profile), usual_keys()
    domain = Settings.load().region
    many = [_wanted(bucket, keys=keys, domain=domain, **requirements) for bucket in buckets]
    reports = asyncio.run(check_buckets(many, rules, keys, (lambda *_: None) if as_json else _say_progress))
    if not as_json and isinstance(reports[0].trouble, AwsCredentialsInvalid):  # of all buckets: they share the keys
        raise reports[0].trouble
    _show([report.as_json() for report in reports], as_json=as_json)
    return ExitCode.DONE if all(report.verdict == "PASS" for report in reports) else ExitCode.FAILED


def _show(reports: list[dict[str, Any]], *, as_json: bool) -> None:
    """One bucket is one JSON object, more are a list."""
    if as_json:
        say_json(reports[0] if len(reports) == 1 else {"buckets": reports})
        return
    say_text("\n\n".join(as_text(report) for report in reports))
    if len(reports) > 1:
        say("", *(f"{report['verdict']:<8}{report['bucket']}" for report in reports))


def _print_document(kind: str, wanted: Wanted, profile: Profile, *, as_json: bool) -> None:
    """What a bucket needs; as JSON, Terraform is one text. Asks nothing."""
    if kind == "terraform":
        text = template(wanted, profile)
        say_json({"terraform": text}) if as_json else say_document(text, nl=False)
    else:
        say_json(_iam_document(kind, wanted, profile), indent=2)


def _iam_document(kind: str, wanted: Wanted, profile: Profile) -> dict[str, Any]:
    """The policy for the `checks` or for the `writer`, or the `trust` of Genesys's role."""
    if kind == "checks":
        return iam.for_checks(wanted, profile)
    if kind == "writer":
        return iam.for_writer(wanted)
    if isinstance(wanted.writer, RoleReference):
        return iam.trust(wanted.writer.external_id, wanted.partition, wanted.genesys_domain)
    raise InvalidInput(
        "The trust document needs the role",
        cause="Genesys proves itself with your external id, which stands in the document",
        fix="add --role-arn and --external-id (your Genesys organisation's id); nothing was sent",
    )


def _wanted(
    bucket: str,
    *,
    keys: AwsKeys | None,
    domain: str | None,
    region: str,
    prefix: str | None,
    encryption: str | None,
    retention_days: int | None,
    owner: str | None,
    kms_key: str | None,
    role_arn: str | None,
    external_id: str | None,
) -> Wanted:
    """What the options say of one bucket. With a role, it writes; else the key that checks. Raises InvalidInput."""
    role = _role(role_arn, external_id) if role_arn or external_id else None
    return Wanted(
        checked_value(BucketName, bucket, "bucket"),
        checked_value(AwsRegion, region, "region"),
        place=_place(prefix, role),
        encryption=encryption,
        retention_days=retention_days,
        owner=checked_value(_Account, owner, "owner") if owner else None,
        kms_key=checked_value(_KeyArn, kms_key, "kms_key") if kms_key else None,
        writer=role or keys,
        genesys_domain=domain,
    )


def _role(role_arn: str | None, external_id: str | None) -> RoleReference:
    if not (role_arn and external_id):
        options.refuse("--role-arn and --external-id go together")
    return checked(RoleReference, role_arn=role_arn, external_id=external_id)


def _place(prefix: str | None, role: RoleReference | None) -> str | None:
    """Of a role, Genesys takes the external id for its organisation's, and writes below that."""
    if prefix is None:
        return folder_of(role.external_id) if role else None
    return folder_of(checked_value(PathPrefix, prefix, "prefix"))


def _say_progress(done: int, total: int, words: str) -> None:
    say_progress("" if done == total else f"{done} of {total} checks")
