"""Checks one bucket, or many, against a profile.

All checks of all buckets run at once and share their answers, so no call is made twice. A check that gets no answer is
UNKNOWN, whatever it wanted to know; it is never passed over.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from opslib.credentials import AwsKeys, RoleReference
from opslib.errors import BucketError
from opslib.ledger.moment import utc_now
from opslib.onboarding.models import Onboarding
from opslib.validator.answers import Answers
from opslib.validator.aws import Aws, Unanswered
from opslib.validator.aws_calls import actions_of
from opslib.validator.checks import CHECKS
from opslib.validator.checks.retention import default_lock, lifecycle_losses
from opslib.validator.explain import explained, not_found
from opslib.validator.finding import ASK_AGAIN, Check, Finding, Outcome, Word, unknown
from opslib.validator.inspection import Inspection, Wanted
from opslib.validator.lifecycle import Clocks, removal_day, too_early
from opslib.validator.profiles import Profile

Tell = Callable[[int, int, str], object]


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
    def verdict(self) -> Word:
        """FAIL with one FAIL, else UNKNOWN with one UNKNOWN or without any answer, else PASS."""
        words = {finding.verdict for finding in self.findings}
        return "FAIL" if "FAIL" in words else "UNKNOWN" if "UNKNOWN" in words or words <= {"not_checked"} else "PASS"

    def counts(self) -> dict[str, int]:
        """How many findings have each word."""
        return dict(Counter(finding.verdict for finding in self.findings))

    def as_json(self) -> dict[str, Any]:
        """{bucket, region, prefix, profile, title, note, as_of, retention_days, at, verdict, counts, clocks, findings,
        not_checked}; `findings` are those with an answer, or that should have one."""
        rows = [finding.as_json() for finding in self.findings]
        return {
            "bucket": self.wanted.bucket,
            "region": self.wanted.region,
            "prefix": self.wanted.prefix,
            "profile": self.profile.name,
            "title": self.profile.title,
            "note": self.profile.note,
            "as_of": self.profile.as_of.isoformat(),
            "retention_days": self.wanted.retention_days,
            "at": self.at,
            "verdict": self.verdict,
            "counts": self.counts(),
            "clocks": asdict(self.clocks) if self.clocks else None,
            "findings": [row for row in rows if row["verdict"] != "not_checked"],
            "not_checked": [row for row in rows if row["verdict"] == "not_checked"],
        }


def wanted_of(onboarding: Onboarding, writer: AwsKeys | RoleReference | None, domain: str | None) -> Wanted:
    """What an onboarding wants of its bucket, in the org with this domain."""
    target = onboarding.target
    return Wanted(
        target.bucket,
        target.region,
        prefix=target.path_prefix,
        encryption=target.encryption,
        retention_days=target.retention_days,
        policy_days=onboarding.policy.retention_days,
        writer=writer,
        genesys_domain=domain,
    )


async def check_bucket(
    wanted: Wanted, profile: Profile, keys: AwsKeys | None, tell: Tell = lambda done, total, words: None
) -> Report:
    """Every check of the profile on one bucket. `keys` None: boto3's own chain. `tell`: done, total, words."""
    (report,) = await check_buckets([wanted], profile, keys, tell)
    return report


async def check_buckets(
    many: Sequence[Wanted], profile: Profile, keys: AwsKeys | None, tell: Tell = lambda done, total, words: None
) -> list[Report]:
    """Every check of the profile on many buckets with one key pair, in the order given."""
    answers = Answers(Aws(keys))
    progress = _Progress(len(many) * len(profile.checks), tell)
    try:
        return list(await asyncio.gather(*(_report(wanted, profile, answers, progress) for wanted in many)))
    finally:
        answers.aws.close()


async def _report(wanted: Wanted, profile: Profile, answers: Answers, progress: "_Progress") -> Report:
    bounds, at = profile.retention, utc_now()
    wanted = replace(
        wanted,
        # A rule's own minimum counts also for whoever says no number.
        retention_days=wanted.retention_days or bounds.min_days,
        min_days=bounds.min_days,
        max_days=bounds.max_days,
        playable_days=wanted.playable_days or bounds.playable_days,
        wants_worm=profile.worm,
        calls=profile.calls(role=isinstance(wanted.writer, RoleReference)),
    )
    chosen = [CHECKS[name] for name in CHECKS if name in profile.checks]
    findings = await asyncio.gather(*(_finding(check, wanted, profile, answers, progress) for check in chosen))
    look = Inspection(wanted, answers)
    return Report(wanted, profile, at, findings, await _clocks(look), await _trouble(look))


async def _clocks(look: Inspection) -> Clocks | None:
    """From answers that the checks have asked for already; None when they have not, or got none."""
    if not {"GetBucketLifecycleConfiguration", "GetObjectLockConfiguration"} <= look.wanted.calls:
        return None
    try:
        lock, found = await default_lock(look), await lifecycle_losses(look)
    except Unanswered:
        return None
    days = look.wanted.retention_days
    early = too_early(found, days, lock) if days else []
    return Clocks(look.wanted.policy_days, days, lock, tuple(found), tuple(early), removal_day(found, lock))


async def _trouble(look: Inspection) -> BucketError | None:
    """Why there is nothing to look at."""
    if "HeadBucket" not in look.wanted.calls:
        return None
    bucket, region = look.wanted.bucket, look.wanted.region
    try:
        head = await look.bucket("HeadBucket")
    except Unanswered as refused:
        return explained(refused, bucket, region)
    return None if head is not None else not_found(bucket, region, look.evidence[-1])


async def _finding(check: Check, wanted: Wanted, profile: Profile, answers: Answers, progress: "_Progress") -> Finding:
    look, row = Inspection(wanted, answers), profile.checks[check.id]
    fix, cli, terraform, refused = (_filled(text, wanted) for text in (check.fix, check.cli, check.terraform, ""))
    try:
        outcome = await check.run(look)
    except Unanswered as error:
        outcome, refused = unknown(error.why), error.action
        fix, cli, terraform = _filled(_ask_again(error), wanted), "", ""
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        outcome = unknown(f"the answer is not as AWS documents it ({type(error).__name__}: {error})")
    progress.step(f"{wanted.bucket}: {check.title}")
    return Finding(
        check.id,
        check.title,
        check.severity,
        _weighed(outcome, row.level),
        outcome.why,
        check.why,
        outcome.fix or fix,
        cli,
        terraform,
        row.source,
        check.source,
        actions_of(check.calls),
        refused,
        look.evidence,
    )


def _ask_again(error: Unanswered) -> str:
    if error.code == "NoSuchBucket":
        return "Correct the bucket's name, or make the bucket; then ask again."
    if not error.action:
        return ASK_AGAIN
    allow = f"Allow {error.action} to the key that asks, and ask again"
    return f"{allow}; `opslib check-bucket BUCKET --print checks` prints all."


def _weighed(outcome: Outcome, level: str) -> Word:
    return "WARN" if outcome.word == "FAIL" and level == "WARN" else outcome.word


def _filled(text: str, wanted: Wanted) -> str:
    """With the values at hand, in one pass: what is put in is not looked at again. None of them needs quoting."""
    role = wanted.writer.role_arn.rsplit("/", 1)[-1] if isinstance(wanted.writer, RoleReference) else ""
    values = {
        "BUCKET": wanted.bucket,
        "ARN": wanted.arn,
        "REGION": wanted.region,
        "DAYS": str(wanted.retention_days or ""),
        "ACCOUNT": wanted.owner or "",
        "KEY": wanted.kms_key or "",
        "ROLE": role,
    }
    return re.sub(rf"\b({'|'.join(values)})\b", lambda found: values[found[0]] or found[0], text)


class _Progress:
    def __init__(self, total: int, tell: Tell) -> None:
        self._done, self._total, self._tell = 0, total, tell

    def step(self, words: str) -> None:
        self._done += 1
        self._tell(self._done, self._total, words)
