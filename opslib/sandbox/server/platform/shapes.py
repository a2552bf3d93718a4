"""What the S3 integration of an org may look like, by name: `opslib sandbox --integration-shape`.

Whether a live org's integration type has the role among its properties or in a credential, and whether it has a prefix
and a public key, is not published. So each is served, for a client to discover.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

ShapeName = Literal[
    "role-in-properties",
    "role-in-credentials",
    "with-prefix",
    "without-prefix",
    "role-in-credentials-with-prefix",
    "public-key",
    "another-active",
    "role-in-credentials-another-active",
]


@dataclass(frozen=True)
class Shape:
    """`prefix`: whether the type has a property for it; None: as the seed has it."""

    words: str
    role_in_credentials: bool = False
    prefix: bool | None = None
    public_key: bool = False
    another_active: bool = False


SHAPES: Mapping[ShapeName, Shape] = {
    "role-in-properties": Shape("the role is a property of the integration; no other one is active"),
    "role-in-credentials": Shape("the role is in a credential that cannot be read back", role_in_credentials=True),
    "with-prefix": Shape("the type has a property for the keys' prefix", prefix=True),
    "without-prefix": Shape("keys begin with the organisation's id", prefix=False),
    "role-in-credentials-with-prefix": Shape(
        "the role is in a credential, and the type has a prefix", role_in_credentials=True, prefix=True
    ),
    "public-key": Shape(
        "a bucket, an optional public key, and the role in a credential",
        role_in_credentials=True,
        prefix=False,
        public_key=True,
    ),
    "another-active": Shape(
        "another integration is active already, and policies export through it", another_active=True
    ),
    "role-in-credentials-another-active": Shape(
        "the same, with both roles in credentials", role_in_credentials=True, another_active=True
    ),
}
