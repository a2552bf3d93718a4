"""What the onboarding, or the options of a command, want of one bucket."""

from dataclasses import dataclass
from typing import Literal

from opslib.credentials import AwsKeys, RoleReference
from opslib.onboarding.models import Onboarding
from opslib.onboarding.values import partition_of

WrittenWith = Literal["key", "role"]


@dataclass(frozen=True)
class Wanted:
    """One bucket and what is wanted of it. None where nothing was said.

    Attributes:
        place: what the key of every recording begins with: "" or a folder with its slash. None when it is not known
            where Genesys writes: then every prefix counts.
        retention_days: how long recordings must be kept.
        policy_days: how long the retention policy keeps them, when it is known separately.
        owner: the id of the account that the bucket must belong to.
        writer: what Genesys writes with: the key pair that is checked with, a role, or None when it is not known.
        genesys_domain: the domain of the Genesys org that writes, as in the settings; it says from which account.
        kms_key: the ARN of the KMS key that the bucket is to use; only documents need it.
    """

    bucket: str
    region: str
    place: str | None = None
    encryption: str | None = None
    retention_days: int | None = None
    policy_days: int | None = None
    owner: str | None = None
    writer: AwsKeys | RoleReference | None = None
    genesys_domain: str | None = None
    kms_key: str | None = None

    @property
    def partition(self) -> str:
        """The part of AWS that the region is in, as ARNs name it."""
        return partition_of(self.region)

    @property
    def arn(self) -> str:
        return f"arn:{self.partition}:s3:::{self.bucket}"

    @property
    def folder(self) -> str:
        """What is known of every recording's key: that it begins with this."""
        return self.place or ""

    @property
    def written_with(self) -> WrittenWith:
        """Whether Genesys writes with a role or with a key; a key unless a role is known."""
        return "role" if isinstance(self.writer, RoleReference) else "key"


def wanted_of(
    onboarding: Onboarding, place: str | None, writer: AwsKeys | RoleReference | None, domain: str | None
) -> Wanted:
    """What an onboarding wants of its bucket, in the org with this domain that writes at `place`."""
    target = onboarding.target
    return Wanted(
        target.bucket,
        target.region,
        place=place,
        encryption=target.encryption,
        retention_days=target.retention_days,
        policy_days=onboarding.policy.retention_days,
        writer=writer,
        genesys_domain=domain,
    )
