"""Checks one bucket, or many, against a profile.

All checks of a bucket run at once and share its answers, so no call is made twice. A check that gets no answer is
UNKNOWN, whatever it wanted to know; it is never passed over.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from opslib.models import AwsKeys, Onboarding, RoleReference
from opslib.samples import utc_now
from opslib.validator.checks import CHECKS
from opslib.validator.checks.retention import default_lock, lifecycle_losses, versioning_state
from opslib.validator.coherence import Clocks, removal_day
from opslib.validator.finding import Check, Finding, Outcome, Word, unknown
from opslib.validator.look import Answers, Aws, Look, Unanswered, Wanted
from opslib.validator.profiles import Profile

Tell = Callable[[int, int, str], object]


@dataclass(frozen=True)
class Report:
    """What was found about one bucket. `at` is when the checks began (UTC); `clocks` is None when S3 does not say."""

    wanted: Wanted
    profile: Profile
    at: str
    findings: Sequence[Finding]
    clocks: Clocks | None = None

    @property
    def verdict(self) -> Word:
        """FAIL with one FAIL, else UNKNOWN with one UNKNOWN, else PASS."""
        words = {finding.verdict for finding in self.findings}
        return "FAIL" if "FAIL" in words else "UNKNOWN" if "UNKNOWN" in words else "PASS"

    def counts(self) -> dict[str, int]:
        """How many findings have each word."""
        return dict(Counter(finding.verdict for finding in self.findings))

    def as_json(self) -> dict[str, Any]:
        """{bucket, region, prefix, profile, retention_days, at, verdict, counts, clocks, findings}."""
        return {
            "bucket": self.wanted.bucket,
            "region": self.wanted.region,
            "prefix": self.wanted.prefix,
            "profile": self.profile.name,
            "retention_days": self.wanted.retention_days,
            "at": self.at,
            "verdict": self.verdict,
            "counts": self.counts(),
            "clocks": asdict(self.clocks) if self.clocks else None,
            "findings": [finding.as_json() for finding in self.findings],
        }


def wanted_of(onboarding: Onboarding, writer: AwsKeys | RoleReference) -> Wanted:
    """What an onboarding wants of its bucket."""
    target = onboarding.target
    return Wanted(
        target.bucket,
        target.region,
        prefix=target.path_prefix,
        encryption=target.encryption,
        retention_days=target.retention_days,
        policy_days=onboarding.policy.retention_days,
        writer=writer,
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
    """Every check of the profile on many buckets of one key pair, in the order given."""
    regions = {wanted.region: Aws(keys, wanted.region) for wanted in many}
    progress = _Progress(len(many) * len(profile.checks), tell)
    try:
        return list(
            await asyncio.gather(*(_report(wanted, profile, regions[wanted.region], progress) for wanted in many))
        )
    finally:
        for aws in regions.values():
            aws.close()


async def _report(wanted: Wanted, profile: Profile, aws: Aws, progress: "_Progress") -> Report:
    bounds, at = profile.retention, utc_now()
    wanted = replace(
        wanted,
        min_days=bounds.min_days,
        max_days=bounds.max_days,
        playable_days=wanted.playable_days or bounds.playable_days,
        wants_worm=profile.worm,
    )
    answers = Answers(aws)
    lifecycle = {"retention", "object-lock"} <= profile.checks.keys()
    chosen = [CHECKS[name] for name in CHECKS if name in profile.checks]
    findings = await asyncio.gather(*(_finding(check, wanted, profile, answers, progress) for check in chosen))
    return Report(wanted, profile, at, findings, await _clocks(Look(wanted, answers)) if lifecycle else None)


async def _clocks(look: Look) -> Clocks | None:
    """From answers that the checks have asked for already."""
    try:
        lock, found = await default_lock(look), await lifecycle_losses(look)
        removed = removal_day(found, lock, await versioning_state(look))
    except Unanswered:
        return None
    return Clocks(look.wanted.policy_days, look.wanted.retention_days, lock, tuple(found), removed)


async def _finding(check: Check, wanted: Wanted, profile: Profile, answers: Answers, progress: "_Progress") -> Finding:
    look = Look(wanted, answers)
    try:
        outcome = await check.run(look)
    except Unanswered as refused:
        look.evidence.append(refused.evidence)
        outcome = unknown(refused.why, refused.action)
    progress.step(f"{wanted.bucket}: {check.title}")
    row = profile.checks[check.id]
    values = {"BUCKET": wanted.bucket, "REGION": wanted.region, "PREFIX": wanted.prefix}
    if wanted.retention_days:
        values["DAYS"] = str(wanted.retention_days)
    return Finding(
        check.id,
        check.title,
        check.severity,
        _weighed(outcome, row.level),
        outcome.why,
        check.why,
        check.fix,
        _filled(check.cli, values),
        _filled(check.terraform, values),
        row.source,
        outcome.action,
        look.evidence,
    )


def _weighed(outcome: Outcome, level: str) -> Word:
    return "WARN" if outcome.word == "FAIL" and level == "WARN" else outcome.word


def _filled(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(name, value)
    return text


class _Progress:
    def __init__(self, total: int, tell: Tell) -> None:
        self._done, self._total, self._tell = 0, total, tell

    def step(self, words: str) -> None:
        self._done += 1
        self._tell(self._done, self._total, words)
