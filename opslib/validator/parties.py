"""Who is meant by the principals and conditions of a policy's Allow statements. Pure functions."""

import ipaddress
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from opslib.validator.conditions import parts_of
from opslib.validator.policy import Statement, labelled, names_in

# Condition keys of an AWS service that acts for somebody: whose resource it acts for.
_SOURCES = frozenset({"aws:sourcearn", "aws:sourceaccount", "aws:sourceowner", "aws:sourceorgid", "aws:sourceorgpaths"})
# Condition keys that tie a grant to somebody known (S3 User Guide, “The meaning of public”).
_RESTRICTING = _SOURCES | {
    "aws:sourceip",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:principalarn",
    "aws:principalaccount",
    "aws:userid",
    "s3:dataaccesspointarn",
    "s3:dataaccesspointaccount",
    "s3:x-amz-server-side-encryption-aws-kms-key-id",
}
# Operators that a request without the key does not meet: not the negated ones, IfExists or ForAllValues.
_POSITIVE = frozenset({"stringequals", "stringequalsignorecase", "stringlike", "arnequals", "arnlike", "ipaddress"})
_ACCOUNT_IN_ARN = re.compile(r"arn:[^:*?]*:[^:*?]+:[^:]*:(\d{12}):.*")
_DELETED = re.compile(r"A(?:IDA|ROA|GPA|NPA|NVA|PKA)[A-Z0-9]{12,}")
_ORGANISATION = re.compile(r"(o-[a-z0-9]+)(?:/.*)?")

OWN = frozenset({"${aws:resourceaccount}", "${s3:resourceaccount}", "${aws:resourceorgid}"})
"""Policy variables that mean the bucket's own account or organisation, in small letters."""


@dataclass(frozen=True)
class Party:
    """`of` is the account, organisation or canonical user that it belongs to, else the ARN or variable that names it;
    empty where that cannot be told. `words` says who it is, `gone` whether it was deleted, so that it is nobody."""

    of: str
    words: str
    gone: bool = False

    def is_among(self, expected: Collection[str]) -> bool:
        return self.of != "" and self.of in expected

    def is_organisation(self) -> bool:
        return bool(_ORGANISATION.fullmatch(self.of))

    def is_canonical(self) -> bool:
        return bool(re.fullmatch(r"[0-9a-f]{64}", self.of))


def parties(statement: Statement) -> Iterator[tuple[str, Party]]:
    """Kind and party of everybody whom the statement names; `*` for everybody, and where it names who is left out."""
    for kind, name in names_in(statement.get("Principal", "*")):
        yield kind, _party(kind, name)


def _party(kind: str, name: str) -> Party:
    if kind == "CanonicalUser":
        return Party(name, f"the canonical user {name}")
    if kind == "Federated":
        return Party("", f"the identity provider {name}")
    if match := re.fullmatch(r"(\d{12})|arn:[^:]+:[^:]+::(\d{12}):.*", name):
        account = match[1] or match[2]
        return Party(account, account)
    if _DELETED.fullmatch(name):
        return Party("", f"a deleted principal ({name}), whose account cannot be told", gone=True)
    if "::cloudfront:user/" in name:
        return Party("", f"the {name.split('::cloudfront:user/')[1]}, whose account cannot be told")
    return Party("", name)


def open_grants(policy: str | None) -> Iterator[tuple[str, str, Statement]]:
    """Allow statements that anybody can make use of: each in words, with the AWS service that acts for anybody (empty:
    everybody asks for himself), and as it is."""
    for label, statement in _allowing(policy):
        for kind, party in parties(statement):
            if party.words == "*" and not _ties(statement, _RESTRICTING):
                yield label, "", statement
            elif kind == "Service" and not _ties(statement, _SOURCES):
                yield label, party.words, statement


def strangers(policy: str | None, expected: Collection[str]) -> set[Party]:
    """Whom the policy allows anything, other than those expected; each as the condition says that narrows it down.

    A service is none unless its condition names somebody: `open_grants` finds it.
    """
    return {
        party
        for _, statement in _allowing(policy)
        for kind, named in parties(statement)
        for party in _bounds(statement, kind, named, expected)
        if not party.is_among(expected)
    }


def _bounds(statement: Statement, kind: str, named: Party, expected: Collection[str]) -> frozenset[Party]:
    """All conditions must hold, so it is enough that one of them lets in nobody but those expected."""
    if kind != "Service" and named.words != "*":
        return frozenset({named})
    ties = _ties(statement, _SOURCES if kind == "Service" else _RESTRICTING)
    if any(all(party.is_among(expected) for party in tie) for tie in ties):
        return frozenset()
    return frozenset().union(*ties) if ties or kind == "Service" else frozenset({named})


def _allowing(policy: str | None) -> Iterator[tuple[str, Statement]]:
    return ((label, statement) for label, statement in labelled(policy) if statement.get("Effect") == "Allow")


def _ties(statement: Statement, keys: Collection[str]) -> list[frozenset[Party]]:
    """Those whom each condition that ties the grant to somebody known lets in."""
    return [
        frozenset(_tied(key.lower(), value) for value in values)
        for operator, key, values in parts_of(statement.get("Condition"))
        if operator.lower().removeprefix("foranyvalue:") in _POSITIVE
        and key.lower() in keys
        and all(_is_fixed(key.lower(), value) for value in values)
    ]


def _tied(key: str, value: str) -> Party:
    if (match := _ACCOUNT_IN_ARN.fullmatch(value)) or (match := re.fullmatch(r"(\d{12})", value)):
        return Party(match[1], match[1])
    if match := _ORGANISATION.fullmatch(value):
        return Party(match[1], f"the organisation {match[1]}")
    return Party(value.lower() if value.lower() in OWN else value, f"whoever has {key} {value}")


def _is_fixed(key: str, value: str) -> bool:
    """Not anybody's to choose: no wildcard or variable but behind an account's id, no large part of the internet."""
    if key == "aws:sourceip":
        return _is_narrow(value)
    if key.endswith("orgpaths"):
        return bool(_ORGANISATION.fullmatch(value)) and "${" not in value
    return value.lower() in OWN or not re.search(r"[*?]|\$\{", value) or bool(_ACCOUNT_IN_ARN.fullmatch(value))


def _is_narrow(cidr: str) -> bool:
    try:
        network = ipaddress.ip_network(cidr, strict=False)
    except ValueError:
        return False
    # Wider than this counts as public (S3 User Guide, “The meaning of public”); private ranges do not.
    return network.is_private or network.prefixlen >= (8 if network.version == 4 else 32)
