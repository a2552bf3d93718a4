"""May the role write? The check agrees with an evaluator of its own, on thousands of generated policies."""

import asyncio
import random
from collections import Counter
from typing import Any

import pytest

from .account_by_hand import ARN, OTHER, OWN, PLACE, Combination, outcome
from .iam_by_hand import allowed, says, worlds

SEEDS, COMBINATIONS = range(7), 300  # 2,100 in all
TAILS = ("year=2026/month=11/day=1/hour=0/conversation_id=1/2.opus", "other.opus", "opslib-canary", "x")
OBJECT, BUCKET, KMS = "object", "bucket", "kms"
NEEDS = {
    "s3:PutObject": OBJECT,
    "s3:PutObjectAcl": OBJECT,
    "s3:GetBucketLocation": BUCKET,
    "s3:GetEncryptionConfiguration": BUCKET,
    "kms:Decrypt": KMS,
    "kms:GenerateDataKey": KMS,
}
ADMIN = f"arn:aws:iam::{OWN}:role/admin"
Pick = random.Random


def condition(pick: Pick, role: str, service: str) -> dict[str, Any]:
    """One line, on what is known of a request or on what is not."""
    account = role.split(":")[4]
    known: list[tuple[str, str, Any]] = [
        ("Bool", "aws:SecureTransport", pick.choice(["false", "false", True])),
        ("BoolIfExists", "aws:MultiFactorAuthPresent", "false"),
        ("Bool", "aws:PrincipalIsAWSService", pick.choice(["true", "false"])),
        (pick.choice(["StringEquals", "StringNotEquals"]), "aws:PrincipalAccount", pick.choice([OWN, OTHER])),
        (pick.choice(["ArnLike", "ArnNotLike"]), "aws:PrincipalArn", [ADMIN, pick.choice([role, ADMIN])]),
        (pick.choice(["ArnEquals", "ArnNotEquals"]), "AWS:PRINCIPALARN", f"arn:aws:iam::{account}:role/*"),
        (pick.choice(["StringLike", "StringNotLike"]), "aws:PrincipalArn", pick.choice(["*genesys*", "*/admin"])),
        ("StringNotEqualsIfExists", "aws:PrincipalArn", role),
        (pick.choice(["NumericLessThan", "NumericLessThanIfExists"]), "s3:TlsVersion", pick.choice([1.2, "1.3", 1.4])),
        ("Null", pick.choice(["aws:SourceArn", "aws:PrincipalArn"]), pick.choice(["true", "false"])),
        ("StringNotEqualsIfExists", "aws:SourceAccount", OTHER),
        ("StringEquals", "aws:ResourceAccount", "${aws:PrincipalAccount}"),
        (pick.choice(["StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase"]), "aws:PrincipalType", "assumedrole"),
    ]
    unknown: list[tuple[str, str, Any]] = [
        (pick.choice(["StringEquals", "StringNotEquals", "StringLike"]), "aws:SourceVpce", ["vpce-1", "vpce-2"]),
        (pick.choice(["StringNotEquals", "StringEqualsIfExists"]), "aws:PrincipalOrgID", "o-1"),
        (pick.choice(["StringNotEquals", "StringEquals"]), "s3:x-amz-server-side-encryption", "aws:kms"),
        ("Null", "s3:x-amz-server-side-encryption", pick.choice(["true", "false"])),
        ("StringLikeIfExists", "s3:x-amz-acl", pick.choice(["*", "bucket-*"])),
        (pick.choice(["ForAnyValue:StringLike", "ForAllValues:StringLike"]), "aws:PrincipalOrgPaths", "o-1/*"),
        (pick.choice(["ForAllValues:StringNotLike", "ForAnyValue:StringNotLike"]), "aws:PrincipalOrgPaths", "o-1/*"),
    ]
    if service == "kms":
        known = [
            *known[:7],
            (pick.choice(["StringEquals", "StringNotEquals"]), "kms:ViaService", "s3.us-east-1.amazonaws.com"),
        ]
        known.append(("StringEquals", "kms:CallerAccount", pick.choice([OWN, OTHER])))
        unknown = unknown[:2]
    operator, key, value = pick.choice(known if pick.random() < 0.7 else unknown)
    return {operator: {key: value}}


def statement(pick: Pick, effect: str, service: str, role: str) -> dict[str, Any]:
    """Action, resource and now and then a condition."""
    actions = {
        "s3": [
            "s3:*",
            "*",
            "s3:PutObject",
            ["S3:PutObject*", "s3:GetBucketLocation"],
            "s3:Get*",
            ["s3:Put*", "s3:GetE*"],
        ],
        "kms": [
            "kms:*",
            "kms:*",
            ["kms:Decrypt", "kms:GenerateDataKey"],
            "kms:GenerateDataKey*",
            "kms:Decrypt",
            "kms:Describe*",
        ],
    }[service]
    places: list[Any] = [
        [ARN, f"{ARN}/*"],
        f"{ARN}/*",
        "*",
        f"{ARN}*",
        [ARN, f"{ARN}/{PLACE}*"],
        f"{ARN}/elsewhere/*",
        ARN,
    ]
    if effect == "Deny":
        places += [f"{ARN}/*.opus", f"{ARN}/{PLACE}year=*", f"{ARN}/${{aws:PrincipalAccount}}/*", f"{ARN}/{PLACE}?*"]
    one: dict[str, Any] = {"Effect": effect}
    inverse = effect == "Deny" and pick.random() < 0.1
    one["NotAction" if inverse else "Action"] = pick.choice(actions)
    not_here = service == "s3" and effect == "Deny" and pick.random() < 0.1
    one["NotResource" if not_here else "Resource"] = pick.choice(places) if service == "s3" else "*"
    if pick.random() < (0.7 if effect == "Deny" else 0.15):
        one["Condition"] = condition(pick, role, service)
    return one


def principal(pick: Pick, role: str, effect: str) -> dict[str, Any]:
    """Who is meant: the role, its account, everybody, others, a session; or who is not."""
    account, name = role.split(":")[4], role.split("/")[-1]
    session = f"arn:aws:sts::{account}:assumed-role/{name}/genesys"
    if effect == "Deny" and pick.random() < 0.15:
        exempt = [f"arn:aws:iam::{account}:root", role, session]
        return {"NotPrincipal": {"AWS": [*exempt[: pick.randint(0, 3)], ADMIN]}}
    names = ["*", {"AWS": "*"}, {"AWS": role}, {"AWS": [account]}, {"AWS": f"arn:aws:iam::{account}:root"}]
    others = [
        {"AWS": ADMIN},
        {"AWS": session},
        {"Service": "logging.s3.amazonaws.com"},
        {"AWS": "AROADBQP57FF2AEXAMPLE"},
    ]
    return {"Principal": pick.choice(names * 2 + others)}


def policy(pick: Pick, role: str, service: str, effects: list[str], *, principals: bool) -> dict[str, Any]:
    """A document with a statement for each effect."""
    statements = [statement(pick, effect, service, role) for effect in effects]
    named = [one | (principal(pick, role, one["Effect"]) if principals else {}) for one in statements]
    return {"Version": "2012-10-17", "Statement": named}


def effects(pick: Pick, allows: int, denies: int) -> list[str]:
    return ["Allow"] * pick.randint(0, allows) + ["Deny"] * pick.randint(0, denies)


def combination(pick: Pick) -> Combination:
    """As a busy account may have it; half of the roles have all they need, unless something denies it."""
    account = OWN if pick.random() < 0.8 else OTHER
    role = f"arn:aws:iam::{account}:role/{pick.choice(['', 'integrations/'])}genesys"
    identity = policy(pick, role, "s3", effects(pick, 2, 1), principals=False)
    bucket = policy(pick, role, "s3", effects(pick, 1, 2), principals=True)
    key = policy(pick, role, "kms", effects(pick, 2, 1), principals=True) if pick.random() < 0.5 else None
    if pick.random() < 0.7:
        whole = {"Effect": "Allow", "Action": ["s3:*", "kms:*"], "Resource": "*"}
        identity["Statement"].append(whole)
        if account == OTHER:
            bucket["Statement"].append({**whole, "Principal": {"AWS": role}})
        if key:
            key["Statement"].append({**whole, "Principal": {"AWS": f"arn:aws:iam::{account}:root"}})
    grants = []
    if pick.random() < 0.2:
        constraints = {"Constraints": {"EncryptionContextSubset": {"a": "b"}}} if pick.random() < 0.3 else {}
        operations = pick.choice([["Decrypt", "GenerateDataKey"], ["Decrypt"]])
        grants = [{"GranteePrincipal": pick.choice([role, ADMIN]), "Operations": operations, **constraints}]
    calls = ["GetBucketPolicy", "GetKeyPolicy", "ListGrants", "SimulatePrincipalPolicy", "GetBucketEncryption"]
    refused = frozenset(pick.sample(calls, 1)) if pick.random() < 0.06 else frozenset[str]()
    key_account = OWN if pick.random() < 0.8 else OTHER
    return Combination(role, identity, bucket, f"arn:aws:kms:us-east-1:{key_account}:key/k", key, grants, refused)


def known_of(found: Combination, kind: str) -> dict[str, list[tuple[str, ...]]]:
    """What can be known of the role's request, written down from the documentation."""
    known: dict[str, list[tuple[str, ...]]] = {
        "aws:securetransport": [("true",)],
        "aws:multifactorauthpresent": [("false",), ()],
        "aws:principalisawsservice": [("false",)],
        "aws:principalaccount": [(found.account,)],
        "aws:principalarn": [(found.role,)],
        "aws:principaltype": [("AssumedRole",)],
        "aws:sourcearn": [()],
        "aws:sourceaccount": [()],
        "aws:resourceaccount": [(found.key_arn.split(":")[4] if kind == KMS else OWN,)],
    }
    if kind == KMS:
        known |= {key: [()] for key in ("s3:tlsversion", "s3:x-amz-server-side-encryption", "s3:x-amz-acl")}
        return known | {"kms:viaservice": [("s3.us-east-1.amazonaws.com",)], "kms:calleraccount": [(found.account,)]}
    known["s3:tlsversion"] = [("1.2",), ("1.3",)]
    if kind == BUCKET:
        known |= {"s3:x-amz-server-side-encryption": [()], "s3:x-amz-acl": [()]}
    return known


def outcomes(found: Combination, action: str, kind: str) -> set[bool]:
    """Whether the action is allowed, in each world and for each key that Genesys may write."""
    theirs = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}  # another account's role: not known
    identity = found.identity if found.account == OWN else theirs
    document = found.key if kind == KMS else found.bucket
    assert document is not None
    account = found.key_arn.split(":")[4] if kind == KMS else OWN
    places = {OBJECT: [f"{ARN}/{PLACE}{tail}" for tail in TAILS], BUCKET: [ARN], KMS: [found.key_arn]}[kind]
    seen = set()
    for world in worlds([identity, document], known_of(found, kind)):
        for place in places:
            own = says(identity, found.role, action, place, world)
            grants = granted(found, action) if kind == KMS else {""}
            for grant in grants:
                said = says(document, found.role, action, place, world) | {grant}
                same = account == found.account
                seen.add(allowed(own, said, same_account=same, leaves_to_iam=kind != KMS))
    return seen


def granted(found: Combination, action: str) -> set[str]:
    """What the key's grants may add: "allow", nothing, or either, as a constraint has it."""
    ours = [one for one in found.grants if one["GranteePrincipal"] == found.role and action[4:] in one["Operations"]]
    if any("Constraints" not in one for one in ours):
        return {"allow"}
    return {"allow", ""} if ours else {""}


def truth(found: Combination) -> str:
    """yes, no, or depends."""
    needs = {action: kind for action, kind in NEEDS.items() if kind != KMS or found.key}
    results = [outcomes(found, action, kind) for action, kind in needs.items()]
    if {False} in results:
        return "no"
    return "yes" if all(one == {True} for one in results) else "depends"


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_the_check_agrees_with_an_evaluator_of_its_own(seed: int) -> None:
    """Never PASS unless every request that Genesys may make is allowed, never FAIL unless one of the actions is denied
    in all of them; UNKNOWN is the exception where the evaluator is sure. Of another account's role, all that the
    bucket's side decides."""
    pick = random.Random(seed)
    counts: Counter[tuple[str, str]] = Counter()

    async def compare() -> None:
        for number in range(COMBINATIONS):
            found = combination(pick)
            pair = truth(found), (await outcome(found)).verdict
            counts[pair] += 1
            assert pair[1] == "UNKNOWN" or pair in {
                ("yes", "PASS"),
                ("yes", "not_checked"),
                ("no", "FAIL"),
            }, (number, pair, found)

    asyncio.run(compare())
    for word in ("PASS", "FAIL", "UNKNOWN"):
        assert sum(count for (_, said), count in counts.items() if said == word) > COMBINATIONS / 10, counts
    hedged = counts["yes", "UNKNOWN"] + counts["no", "UNKNOWN"]
    sure = sum(count for (answer, _), count in counts.items() if answer != "depends")
    assert hedged < sure / 5, counts
