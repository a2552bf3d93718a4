"""`opslib check-bucket`: buckets against a profile, as a table or JSON, with the exit codes of the command line."""

import asyncio
import json
from collections.abc import Sequence

import click

from opslib.models import AwsKeys, AwsRegion, BucketName, checked_value, usual_keys
from opslib.validator import permissions
from opslib.validator.bucket import Report, check_buckets
from opslib.validator.look import Wanted
from opslib.validator.profiles import Profile, load_profile
from opslib.validator.render import as_text


def check_bucket(
    buckets: Sequence[str],
    *,
    profile: str,
    region: str,
    prefix: str,
    retention_days: int | None,
    owner: str | None,
    as_json: bool,
) -> int:
    """Check the buckets; 0 when none has a FAIL or UNKNOWN, else 1. One bucket is one JSON object, more are a list."""
    chosen, keys = load_profile(profile), usual_keys()
    many = _wanted(buckets, region, prefix, retention_days, owner, keys)
    reports = asyncio.run(check_buckets(many, chosen, keys, _tell if len(many) > 1 and not as_json else _quiet))
    if as_json:
        found = [report.as_json() for report in reports]
        click.echo(json.dumps(found[0] if len(found) == 1 else {"buckets": found}))
    else:
        click.echo("\n\n".join(as_text(report.as_json()) for report in reports))
    return 0 if all(_fit(report) for report in reports) else 1


def print_document(
    kind: str, bucket: str, *, profile: str, region: str, prefix: str, retention_days: int | None, owner: str | None
) -> None:
    """Print what a bucket needs: the IAM policy for the `checks` or for the `writer`, or `terraform`. Asks nothing."""
    chosen: Profile = load_profile(profile)
    (wanted,) = _wanted([bucket], region, prefix, retention_days, owner, None)
    if kind == "terraform":
        click.echo(permissions.terraform(wanted, chosen), nl=False)
    else:
        document = permissions.for_checks(wanted, chosen) if kind == "checks" else permissions.for_writer(wanted)
        click.echo(json.dumps(document, indent=2))


def _wanted(
    buckets: Sequence[str],
    region: str,
    prefix: str,
    retention_days: int | None,
    owner: str | None,
    keys: AwsKeys | None,
) -> list[Wanted]:
    place = checked_value(AwsRegion, region, "region")
    return [
        Wanted(
            checked_value(BucketName, bucket, "bucket"),
            place,
            prefix=prefix.strip("/"),
            retention_days=retention_days,
            owner=owner,
            writer=keys,
        )
        for bucket in buckets
    ]


def _fit(report: Report) -> bool:
    return report.verdict == "PASS"


def _quiet(done: int, total: int, words: str) -> None:
    pass


def _tell(done: int, total: int, words: str) -> None:
    if done == total or done % 50 == 0:
        click.echo(f"{done} of {total} checks", err=True)
