"""Checks one bucket, or many, against a profile.

All checks of all buckets run at once and share their answers, so no call is made twice. A check that gets no answer is
UNKNOWN, whatever it wanted to know. Only where one cause stops all of them (no credentials, no such bucket, another
region, no answer from S3) is nothing else asked: one finding carries that cause, and the others say “not asked”.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import count
from typing import Any

from opslib.credentials import AwsKeys, RoleReference
from opslib.errors import AwsCredentialsInvalid, BucketError
from opslib.ledger.moment import utc_now
from opslib.validator.aws import Aws, Unanswered
from opslib.validator.aws_calls import CALLS, actions_of
from opslib.validator.bucket_errors import bucket_error, stops_everything, trouble_with
from opslib.validator.check import Check, calls_of
from opslib.validator.checks import CHECKS
from opslib.validator.checks.retention import default_lock, lifecycle_losses
from opslib.validator.finding import ASK_AGAIN, NOT_ASKED, Finding, Outcome, not_checked, unknown
from opslib.validator.inspection import AnswerCache, Inspection
from opslib.validator.lifecycle import Clocks, removal_day, too_early
from opslib.validator.profile import Profile
from opslib.validator.wanted import Wanted
from opslib.verdict import Verdict

Tell = Callable[[int, int, str], object]

_CLOCKS_CALLS = {"GetBucketLifecycleConfiguration", "GetObjectLockConfiguration"}


@dataclass(frozen=True)
class Report:
    """What was found about one bucket. `at` is when the checks began (UTC); `clocks` is None when S3 does not say.

    `trouble` is set when there is no bucket to look at, or S3 does not say whether there is.
    """

    wanted: Wanted
    profile: Profile
    at: str
    findings: Sequence[Finding]
    clocks: Clocks | None = None
    trouble: BucketError | None = None

    @property
    def verdict(self) -> Verdict:
        """FAIL with one FAIL, else UNKNOWN with one UNKNOWN or without any answer, else PASS."""
        verdicts = {finding.verdict for finding in self.findings}
        if "FAIL" in verdicts:
            return "FAIL"
        return "UNKNOWN" if "UNKNOWN" in verdicts or verdicts <= {"not_checked"} else "PASS"

    def as_json(self) -> dict[str, Any]:
        """{bucket, region, prefix, encryption, profile, title, note, as_of, retention_days, rule, at, verdict, counts,
        clocks, findings, not_checked}; `rule` is the profile's own retention, `retention_days` what is wanted.
        `findings` are those with an answer, or that should have one; `prefix` is the folder that was checked, None for
        every prefix, as it is not known where Genesys writes."""
        rows = [finding.as_json() for finding in self.findings]
        return {
            "bucket": self.wanted.bucket,
            "region": self.wanted.region,
            "prefix": None if self.wanted.place is None else self.wanted.place.removesuffix("/"),
            "encryption": self.wanted.encryption,
            "profile": self.profile.name,
            "title": self.profile.title,
            "note": self.profile.note,
            "as_of": self.profile.as_of.isoformat(),
            "retention_days": self.profile.retention_days(self.wanted),
            "rule": self.profile.retention.model_dump(mode="json"),
            "at": self.at,
            "verdict": self.verdict,
            "counts": dict(Counter(finding.verdict for finding in self.findings)),
            "clocks": asdict(self.clocks) if self.clocks else None,
            "findings": [row for row in rows if row["verdict"] != "not_checked"],
            "not_checked": [row for row in rows if row["verdict"] == "not_checked"],
        }


async def check_bucket(
    wanted: Wanted, profile: Profile, keys: AwsKeys | None, tell: Tell = lambda done, total, words: None
) -> Report:
    """Every check of the profile on one bucket. `keys` None: boto3's own chain. `tell`: done, total, words."""
    (report,) = await check_buckets([wanted], profile, keys, tell)
    return report


async def check_buckets(
    buckets: Sequence[Wanted], profile: Profile, keys: AwsKeys | None, tell: Tell = lambda done, total, words: None
) -> list[Report]:
    """Every check of the profile on many buckets with one key pair, in the order given."""
    answers = AnswerCache(Aws(keys))
    done, total = count(1), len(buckets) * len(profile.checks)

    def step(words: str) -> None:
        tell(next(done), total, words)

    try:
        return list(await asyncio.gather(*(_report(wanted, profile, answers, step) for wanted in buckets)))
    finally:
        answers.aws.close()


async def _report(wanted: Wanted, profile: Profile, answers: AnswerCache, step: Callable[[str], None]) -> Report:
    at, checks = utc_now(), [check for check in CHECKS.values() if check.id in profile.checks]
    inspection, calls = Inspection(wanted, profile, answers), calls_of(profile, wanted)
    trouble = await trouble_with(inspection) if _asks_s3(calls) else None
    if trouble and stops_everything(trouble):
        stopped = await _stopped(checks, trouble, wanted, profile, answers)
        for check in checks:
            step(f"{wanted.bucket}: {check.title}")
        return Report(wanted, profile, at, stopped, None, trouble)
    findings = await asyncio.gather(*(_finding(check, Inspection(wanted, profile, answers), step) for check in checks))
    # From answers that the checks have asked for already.
    clocks = await _clocks(inspection) if calls >= _CLOCKS_CALLS else None
    return Report(wanted, profile, at, findings, clocks, trouble if "HeadBucket" in calls else None)


def _asks_s3(calls: Iterable[str]) -> bool:
    return any(CALLS[call].service == "s3" for call in calls)


async def _stopped(
    checks: Sequence[Check], trouble: BucketError, wanted: Wanted, profile: Profile, answers: AnswerCache
) -> list[Finding]:
    """One finding with the cause and its fix: of the check that the cause fails, or else of the first that asks for the
    bucket itself. Checks that ask nothing have their answer; the others were not asked."""
    seen = [(check, Inspection(wanted, profile, answers)) for check in checks]
    about = [(check, inspection) for check, inspection in seen if "HeadBucket" in check.calls]
    failing = [(check, outcome) for check, inspection in about if (outcome := await _failure(check, inspection))]
    first = next(iter([check for check, _ in about] or [check for check in checks if _asks_s3(check.calls)]))
    why = unknown(f"{trouble.title}: {trouble.cause}")
    bearer, outcome = failing[0] if failing else (first, why)
    rest = not_checked(f"{NOT_ASKED}: {trouble.title[:1].lower()}{trouble.title[1:]}")
    findings = []
    for check, inspection in seen:
        if check is bearer:
            findings.append(_as_finding(check, replace(outcome, fix=_sentence(trouble.fix)), inspection))
        elif check.calls:
            findings.append(_as_finding(check, rest, Inspection(wanted, profile, answers)))
        else:
            findings.append(_as_finding(check, await check.run(inspection), inspection))
    return findings


async def _failure(check: Check, inspection: Inspection) -> Outcome | None:
    """The check's FAIL, where what stops everything is an answer to it."""
    try:
        outcome = await check.run(inspection)
    except Unanswered:
        return None
    return outcome if outcome.verdict == "FAIL" else None


def _sentence(fix: str) -> str:
    """An error's fix as a finding has it."""
    return f"{fix[:1].upper()}{fix[1:].removesuffix('.')}."


async def _clocks(inspection: Inspection) -> Clocks | None:
    """None when S3 does not say."""
    try:
        lock, losses = await default_lock(inspection), await lifecycle_losses(inspection)
    except Exception:  # noqa: BLE001 (the checks say what is odd about the answer)
        return None
    days = inspection.retention_days
    early = too_early(losses, days, lock) if days else []
    return Clocks(inspection.wanted.policy_days, days, lock, tuple(losses), tuple(early), removal_day(losses, lock))


async def _finding(check: Check, inspection: Inspection, step: Callable[[str], None]) -> Finding:
    refused = ""
    try:
        outcome = await check.run(inspection)
    except Unanswered as error:
        outcome, refused = unknown(error.why, _ask_again(error, inspection.wanted)), error.action
    except Exception as error:  # noqa: BLE001 (whatever an odd answer makes a check raise)
        outcome = unknown(f"the answer is not as AWS documents it ({type(error).__name__}: {error})")
    step(f"{inspection.wanted.bucket}: {check.title}")
    return _as_finding(check, outcome, inspection, refused)


def _as_finding(check: Check, outcome: Outcome, inspection: Inspection, refused: str = "") -> Finding:
    """A fix of the outcome's own takes the place of the check's, with its command and Terraform: they mend something
    else."""
    row, own = inspection.profile.checks[check.id], outcome.fix
    texts = (own, "", "") if own else (check.fix, check.cli, check.terraform)
    fix, cli, terraform = (_filled(text, inspection) for text in texts)
    return Finding(
        check.id,
        check.title,
        check.severity,
        row.level if outcome.verdict == "FAIL" else outcome.verdict,
        outcome.why,
        check.why,
        fix,
        cli,
        terraform,
        row.source,
        check.source,
        actions_of(check.calls),
        refused,
        inspection.evidence,
    )


def _ask_again(error: Unanswered, wanted: Wanted) -> str:
    trouble = bucket_error(error, wanted.bucket, wanted.region)
    if isinstance(trouble, AwsCredentialsInvalid):
        return _sentence(trouble.fix)
    if error.denial:
        return f"{error.denial.fix} Then ask again."
    if error.code == "NoSuchBucket":
        return "Correct the bucket's name, or make the bucket; then ask again."
    if not error.action:
        return ASK_AGAIN
    allow = f"Allow {error.action} to the key that asks, and ask again"
    return f"{allow}; `opslib check-bucket BUCKET --print checks` prints all."


def _filled(text: str, inspection: Inspection) -> str:
    """With the values at hand, in one pass: what is put in is not looked at again. None of them needs quoting."""
    wanted = inspection.wanted
    role = wanted.writer.role_arn.rsplit("/", 1)[-1] if isinstance(wanted.writer, RoleReference) else ""
    values = {
        "BUCKET": wanted.bucket,
        "ARN": wanted.arn,
        "REGION": wanted.region,
        "DAYS": str(inspection.retention_days or ""),
        "ACCOUNT": wanted.owner or "",
        "KEY": wanted.kms_key or "",
        "ROLE": role,
    }
    return re.sub(rf"\b({'|'.join(values)})\b", lambda match: values[match[0]] or match[0], text)
