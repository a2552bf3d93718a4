"""`opslib check-bucket`: buckets against a profile, as a table or JSON, and the documents that a bucket needs."""

import asyncio
import json
from collections.abc import Sequence
from typing import Annotated, Any

import click
from pydantic import Field

from opslib.credentials import AwsKeys, RoleReference, usual_keys
from opslib.errors import InvalidInput
from opslib.onboarding.values import AwsRegion, BucketName, PathPrefix, checked, checked_value
from opslib.settings import Settings
from opslib.validator.bucket import check_buckets
from opslib.validator.documents import iam
from opslib.validator.documents.terraform import template
from opslib.validator.profiles import load_profile
from opslib.validator.render import as_text
from opslib.validator.wanted import Wanted

_Account = Annotated[str, Field(pattern=r"^\d{12}$")]
_KeyArn = Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+$")]


def check_bucket(buckets: Sequence[str], *, profile: str, as_json: bool, **options: Any) -> int:
    """Check the buckets; 0 when none has a FAIL or UNKNOWN, else 1. One bucket is one JSON object, more are a list."""
    chosen, keys = load_profile(profile), usual_keys()
    domain = Settings.load().region
    many = [wanted(bucket, keys=keys, domain=domain, **options) for bucket in buckets]
    reports = asyncio.run(check_buckets(many, chosen, keys, _quiet if as_json else _tell))
    found = [report.as_json() for report in reports]
    if as_json:
        click.echo(json.dumps(found[0] if len(found) == 1 else {"buckets": found}))
    else:
        click.echo("\n\n".join(as_text(report) for report in found))
        if len(found) > 1:
            click.echo("\n" + "\n".join(f"{report['verdict']:<8}{report['bucket']}" for report in found))
    return 0 if all(report.verdict == "PASS" for report in reports) else 1


def print_document(kind: str, bucket: str, *, profile: str, as_json: bool, **options: Any) -> None:
    """Print what a bucket needs: the IAM policy for the `checks` or for the `writer`, the `trust` of Genesys's role, or
    `terraform`; as JSON, Terraform is one text. Asks nothing."""
    want, chosen = wanted(bucket, keys=None, domain=Settings.load().region, **options), load_profile(profile)
    if kind == "terraform":
        text = template(want, chosen)
        click.echo(json.dumps({"terraform": text}) + "\n" if as_json else text, nl=False)
    elif kind == "trust":
        if not isinstance(want.writer, RoleReference):
            raise InvalidInput(
                "The trust document needs the role",
                cause="Genesys proves itself with your external id, which stands in the document",
                fix="add --role-arn and --external-id (your Genesys organisation's id); nothing was sent",
            )
        document = iam.trust(want.writer.external_id, want.partition, want.genesys_domain)
        click.echo(json.dumps(document, indent=2))
    else:
        document = iam.for_checks(want, chosen) if kind == "checks" else iam.for_writer(want)
        click.echo(json.dumps(document, indent=2))


def wanted(
    bucket: str,
    *,
    keys: AwsKeys | None,
    domain: str | None,
    region: str,
    prefix: str = "",
    encryption: str | None = None,
    retention_days: int | None = None,
    owner: str | None = None,
    kms_key: str | None = None,
    role_arn: str | None = None,
    external_id: str | None = None,
) -> Wanted:
    """What the options say of one bucket of the org with this domain. With a role, it writes; else the key that checks.

    Raises InvalidInput.
    """
    role = checked(RoleReference, role_arn=role_arn, external_id=external_id) if role_arn or external_id else None
    return Wanted(
        checked_value(BucketName, bucket, "bucket"),
        checked_value(AwsRegion, region, "region"),
        prefix=checked_value(PathPrefix, prefix, "prefix"),
        encryption=encryption,
        retention_days=retention_days,
        owner=checked_value(_Account, owner, "owner") if owner else None,
        kms_key=checked_value(_KeyArn, kms_key, "kms_key") if kms_key else None,
        writer=role or keys,
        genesys_domain=domain,
    )


def _quiet(done: int, total: int, words: str) -> None:
    pass


def _tell(done: int, total: int, words: str) -> None:
    if total >= 50 and (done == total or done % 50 == 0):
        click.echo(f"{done} of {total} checks", err=True)
