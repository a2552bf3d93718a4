"""What one policy says to one request, by who is named and who is left out."""

import json
from typing import Any

import pytest

from opslib.validator.conditions import NO, YES, Truth
from opslib.validator.policy import Decision, Request, covers, decision, may, session_context

OWN, OTHER = "1" * 12, "2" * 12
ROLE = f"arn:aws:iam::{OWN}:role/path/Genesys"
ROOT, STRANGER = f"arn:aws:iam::{OWN}:root", f"arn:aws:iam::{OTHER}:root"
SESSION = f"arn:aws:sts::{OWN}:assumed-role/Genesys/one"
THING = "arn:aws:s3:::recordings/x"
SOMEBODY = Request(OWN, "", "s3:PutObject", THING, session_context(OWN))
ASKER = Request(OWN, ROLE, "s3:PutObject", THING, session_context(OWN, ROLE))
UNKNOWN = Truth(None, "something")


def said(effect: str, request: Request = ASKER, **statement: Any) -> Decision:
    whole = {"Effect": effect, "Action": "s3:*", "Resource": "*", **statement}
    return decision(json.dumps({"Statement": [whole]}), request, "the policy")


@pytest.mark.parametrize(
    ("who", "denied"),
    [
        ({}, True),  # an identity's policy names nobody
        ({"Principal": "*"}, True),
        ({"Principal": {"AWS": "*"}}, True),
        ({"Principal": {"AWS": ROLE}}, True),
        ({"Principal": {"AWS": [STRANGER, OWN]}}, True),
        ({"Principal": {"AWS": ROOT}}, True),
        ({"Principal": {"AWS": STRANGER}}, False),
        ({"Principal": {"Service": "*"}}, False),
        ({"Principal": {"AWS": SESSION}}, None),
        ({"Principal": {"CanonicalUser": "c"}}, None),
        ({"NotPrincipal": "*"}, False),
        ({"NotPrincipal": {"AWS": "*"}}, False),
        ({"NotPrincipal": {"Service": "*"}}, True),
        ({"NotPrincipal": {"AWS": STRANGER}}, True),
        ({"NotPrincipal": {"AWS": ROOT}}, True),
        ({"NotPrincipal": {"AWS": ROLE}}, True),
        ({"NotPrincipal": {"AWS": [ROLE, ROOT]}}, None),
    ],
)
def test_whom_a_deny_is_for(who: dict[str, Any], denied: bool | None) -> None:
    """A NotPrincipal spares a session only where its account, its role and the session itself are named."""
    found = said("Deny", **who)
    assert found.denied.holds is denied
    assert (found.itself, found.account) == (NO, NO)
    if denied:
        assert found.denied.why == "statement 1 of the policy denies s3:PutObject"


def test_what_decides_is_named() -> None:
    """In words that fit a report."""
    assert said("Deny", NotPrincipal={"AWS": [ROLE, ROOT]}).denied.why == (
        "whether statement 1 of the policy denies s3:PutObject depends on "
        "the name of the session, which NotPrincipal must name beside the role and its account"
    )
    allowed = said("Allow", Sid="Mine", Principal={"AWS": ROLE}).itself
    assert allowed.why == "statement Mine of the policy allows s3:PutObject"


@pytest.mark.parametrize(
    ("who", "denied"),
    [({"AWS": ROOT}, None), ({"AWS": STRANGER}, True), ({"AWS": [ROOT, ROLE]}, None)],
)
def test_a_deny_for_all_but_the_account_of_who_is_not_known(who: dict[str, Any], denied: bool | None) -> None:
    """Whoever asks may be the one that is spared."""
    assert said("Deny", SOMEBODY, NotPrincipal=who).denied.holds is denied


@pytest.mark.parametrize(
    ("who", "itself", "account"),
    [
        ({}, True, False),
        ({"Principal": "*"}, True, False),
        ({"Principal": {"AWS": ROLE}}, True, False),
        ({"Principal": {"AWS": ROOT}}, False, True),
        ({"Principal": {"AWS": OWN}}, False, True),
        ({"Principal": {"AWS": [ROOT, ROLE]}}, True, True),
        ({"Principal": {"AWS": STRANGER}}, False, False),
        ({"Principal": {"Service": "s3.amazonaws.com"}}, False, False),
        ({"Principal": {"AWS": SESSION}}, None, False),
        ({"NotPrincipal": {"AWS": STRANGER}}, True, False),
        ({"NotPrincipal": {"AWS": ROLE}}, False, False),
        ({"NotPrincipal": {"AWS": ROOT}}, False, False),
        ({"NotPrincipal": {"AWS": SESSION}}, None, False),
    ],
)
def test_whom_an_allow_is_for(who: dict[str, Any], itself: bool | None, account: bool) -> None:
    """By name or with everybody; or its account, whose own policies then decide. NotPrincipal is everybody else."""
    found = said("Allow", **who)
    assert (found.itself.holds, found.account.holds, found.denied) == (itself, account, NO)


@pytest.mark.parametrize(
    ("statement", "asked"),
    [
        ({"Action": "s3:putobject"}, True),
        ({"Action": ["s3:GetObject", "S3:Put*"]}, True),
        ({"Action": "s3:GetObject"}, False),
        ({"NotAction": "s3:GetObject"}, True),
        ({"NotAction": "s3:put*"}, False),
    ],
)
def test_what_a_statement_is_about(statement: dict[str, Any], asked: bool) -> None:
    """Case counts for nothing; NotAction is every other action."""
    assert covers(statement, "s3:PutObject") is asked
    assert covers(statement, "s3:DeleteObject", "s3:PutObject") is (asked or "NotAction" in statement)
    whole = {"Effect": "Deny", "Resource": "*", "Principal": "*", **statement}
    assert decision(json.dumps({"Statement": whole}), ASKER, "it").denied.holds is asked


def test_a_policy_says_all_that_its_statements_say() -> None:
    """One that is about something else does not hide another; no policy says nothing."""
    other = {"Effect": "Deny", "Action": "s3:GetObject", "Resource": "*", "Principal": "*"}
    allow = {"Effect": "Allow", "Action": "*", "Resource": "*", "Principal": {"AWS": [ROLE, ROOT]}}
    deny = {"Effect": "Deny", "Action": "*", "Resource": "*", "Principal": "*"}
    found = decision(json.dumps({"Statement": [other, allow, deny]}), ASKER, "it")
    assert (found.denied.why, found.itself.why, found.account.why) == (
        "statement 3 of it denies s3:PutObject",
        "statement 2 of it allows s3:PutObject",
        "statement 2 of it allows s3:PutObject",
    )
    assert decision(None, ASKER, "it") == Decision(NO, NO, NO)
    nowhere = dict(allow, Resource="arn:aws:s3:::another/*")
    assert decision(json.dumps({"Statement": nowhere}), ASKER, "it") == Decision(NO, NO, NO)
    unsure = dict(allow, Condition={"StringEquals": {"aws:RequestTag/x": "y"}})
    assert decision(json.dumps({"Statement": unsure}), ASKER, "it").itself.holds is None


@pytest.mark.parametrize("same_account", [False, True])
@pytest.mark.parametrize("own", [NO, YES, UNKNOWN])
@pytest.mark.parametrize("itself", [NO, YES, UNKNOWN])
@pytest.mark.parametrize("account", [NO, YES, UNKNOWN])
@pytest.mark.parametrize("denials", [(NO, NO), (YES, NO), (NO, YES), (UNKNOWN, NO), (NO, UNKNOWN)])
def test_both_sides_decide(
    same_account: bool, own: Truth, itself: Truth, account: Truth, denials: tuple[Truth, Truth]
) -> None:
    """Within an account one side is enough, between accounts both must allow, and a denial outweighs either."""

    def worst(*truths: bool | None) -> bool | None:
        return False if False in truths else None if None in truths else True

    def best(*truths: bool | None) -> bool | None:
        return True if True in truths else None if None in truths else False

    there = best(itself.holds, worst(account.holds, own.holds)) if same_account else best(itself.holds, account.holds)
    allowed = there if same_account else worst(there, own.holds)
    denied = best(*(truth.holds for truth in denials))
    expected = False if denied or allowed is False else worst(allowed, None if denied is None else True)
    found = may(Decision(denials[0], own), Decision(denials[1], itself, account), same_account=same_account)
    assert found.holds is expected
    assert bool(found.why) is (expected is None)
    denial = Truth(True, "it is denied")
    assert may(Decision(denial, own), Decision(NO, itself, account), same_account=same_account).why == "it is denied"
