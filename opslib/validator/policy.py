"""What IAM policy documents say to one request: denied, allowed, or which condition decides. Pure functions.

The rules are those of the IAM User Guide (policy evaluation logic; policy elements Principal, NotPrincipal, Action,
Resource): an explicit Deny outweighs every Allow; within an account a resource's policy or an identity's is enough,
between accounts both must allow; actions are compared without regard to case.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from opslib.validator.conditions import ABSENT, NO, YES, Context, Truth, either, every, holds, listed, literal, resolved
from opslib.validator.wildcards import TooManyWays, matches, ways

Statement = Mapping[str, Any]

_ACCOUNT = re.compile(r"(?:arn:[^:]+:iam::)?(\d{12})(?::root)?")


def statements(policy: str | None) -> list[Statement]:
    """The statements of a policy document; none when there is no policy."""
    return listed(json.loads(policy)["Statement"]) if policy else []


def labelled(policy: str | None) -> Iterator[tuple[str, Statement]]:
    """Each statement with its Sid, or else its number, in words."""
    for number, statement in enumerate(statements(policy), 1):
        yield f"statement {statement.get('Sid') or number}", statement


def patterns_of(statement: Statement, element: str) -> list[str]:
    """The patterns of the element, or of its negation."""
    return [str(pattern) for pattern in listed(statement.get(element, statement.get(f"Not{element}", [])))]


def names_in(principal: Any) -> Iterator[tuple[str, str]]:
    """Kind and name of everybody in a Principal or NotPrincipal; `*` is of the kind AWS."""
    for kind, names in (principal if isinstance(principal, Mapping) else {"AWS": principal}).items():
        yield from ((kind, str(name)) for name in listed(names))


def covers(statement: Statement, *actions: str) -> bool:
    """Whether the statement is about one of the actions, also by leaving it out of NotAction."""
    patterns = [pattern.lower() for pattern in patterns_of(statement, "Action")]
    hits = (any(matches(pattern, action.lower()) for pattern in patterns) for action in actions)
    return any(hit is ("Action" in statement) for hit in hits)


@dataclass(frozen=True)
class Request:
    """One action on one resource, asked by a role's session.

    Attributes:
        account: of the role.
        role: the role's ARN with its path; empty for somebody in the account, it is not known who.
        resource: an ARN; with `below`, every ARN that begins so and goes on.
    """

    account: str
    role: str
    action: str
    resource: str
    context: Context
    below: bool = False


def session_context(account: str, role: str = "") -> Context:
    """What is known of every request that somebody in the account makes for himself, with TLS; of a role's session,
    also that it has no second factor (IAM User Guide, global condition keys)."""
    known = {"principalaccount": account, "principalisawsservice": "false", "securetransport": "true"}
    absent = ["sourcearn", "sourceaccount", "sourceowner", "sourceorgid", "sourceorgpaths", "principalservicename"]
    more: Context = {}
    if role:
        known |= {"principalarn": role, "principaltype": "AssumedRole"}
        absent += ["username", "multifactorauthage"]
        more = {"aws:multifactorauthpresent": (("false",), ())}
    return {
        **{f"aws:{key}": ((value,),) for key, value in known.items()},
        **{f"aws:{key}": ABSENT for key in absent},
        **more,
    }


@dataclass(frozen=True)
class Decision:
    """What one document says: whether it denies; whether it allows the role itself, by name or as it allows everybody;
    and whether it allows the role's account, which lets the account's own policies decide."""

    denied: Truth
    itself: Truth
    account: Truth = NO


def decision(policy: str | None, request: Request, document: str) -> Decision:
    """What a policy says to the request; `document` names the policy."""
    denied, itself, account = [NO], [NO], [NO]
    for label, statement in labelled(policy):
        asked = every(_asked(statement, request))
        if asked.holds is False:
            continue
        name = f"{label} of {document}"
        if statement.get("Effect") == "Deny":
            denied.append(_said(every([_denied_to(statement, request), asked]), name, "denies", request.action))
        else:
            by_name, by_account = _allowed_to(statement, request)
            itself.append(_said(every([by_name, asked]), name, "allows", request.action))
            account.append(_said(every([by_account, asked]), name, "allows", request.action))
    return Decision(either(denied), either(itself), either(account))


def may(identity: Decision, resource: Decision, *, same_account: bool) -> Truth:
    """What IAM decides from the role's own policies and from those of the resource. `why` is empty where nothing allows
    it; in the resource's own account, its decision must say what it leaves to IAM policies (a bucket leaves all)."""
    own = identity.itself
    if same_account:
        allowed = either([resource.itself, every([resource.account, own])])
    else:
        allowed = every([either([resource.itself, resource.account]), own])
    denied = either([identity.denied, resource.denied])
    if denied.holds or allowed.holds is False:
        return Truth(False, denied.why if denied.holds else "")
    return every([replace(denied, holds=None if denied.holds is None else True), allowed])


def _said(truth: Truth, name: str, verb: str, action: str) -> Truth:
    if truth.holds is None:
        return Truth(None, f"whether {name} {verb} {action} depends on {truth.why}")
    return Truth(True, f"{name} {verb} {action}") if truth.holds else NO


def _asked(statement: Statement, request: Request) -> Iterator[Truth]:
    """Whether the statement is about the request, whoever asks."""
    yield YES if covers(statement, request.action) else NO
    if "Resource" in statement or "NotResource" in statement:  # a trust policy has neither
        place = _place(patterns_of(statement, "Resource"), request)
        yield place if "Resource" in statement or place.holds is None else Truth(not place.holds)
    yield holds(statement.get("Condition"), request.context)


def _place(patterns: list[str], request: Request) -> Truth:
    """Whether the patterns cover the resource, or all that is below it."""
    known = [pattern for pattern in (resolved(pattern, request.context) for pattern in patterns) if pattern is not None]
    start = literal(request.resource)
    try:
        ways_to_match = ways(known, start) if request.below else {frozenset(p for p in known if matches(p, start)): ""}
    except TooManyWays:
        return Truth(None, "wildcards that overlap in too many ways to tell")
    if all(ways_to_match):
        return YES
    if any(ways_to_match):
        return Truth(None, f"the object's key, since it names {', '.join(patterns)}")
    return NO if len(known) == len(patterns) else Truth(None, f"the variable in {', '.join(patterns)}")


def _denied_to(statement: Statement, request: Request) -> Truth:
    if "NotPrincipal" not in statement:
        return either(_named(statement.get("Principal", "*"), request))
    names = list(names_in(statement["NotPrincipal"]))
    itself, account = _named(statement["NotPrincipal"], request)
    if ("AWS", "*") in names:
        return NO
    # A session is spared only where its account, its role and the session itself are named (IAM User Guide).
    if account.holds and (itself.holds or not request.role):
        return Truth(None, "the name of the session, which NotPrincipal must name beside the role and its account")
    return YES


def _allowed_to(statement: Statement, request: Request) -> tuple[Truth, Truth]:
    if "NotPrincipal" not in statement:
        return _named(statement.get("Principal", "*"), request)
    named = either(_named(statement["NotPrincipal"], request))
    return (Truth(not named.holds) if named.holds is not None else named), NO


def _named(principal: Any, request: Request) -> tuple[Truth, Truth]:
    """Whether the role itself is named, and whether its account is."""
    names = list(names_in(principal))
    accounts = [_ACCOUNT.fullmatch(name) for kind, name in names if kind == "AWS"]
    account = any(match and match[1] == request.account for match in accounts)
    return either(_itself(kind, name, request) for kind, name in names), YES if account else NO


def _itself(kind: str, name: str, request: Request) -> Truth:
    if kind == "CanonicalUser":
        return Truth(None, f"whose canonical user id {name} is")
    if kind != "AWS":
        return NO
    if name in ("*", request.role):
        return YES
    arn = name.split(":", 5)
    if len(arn) == 6 and arn[4] == request.account and arn[5] != "root" and _may_be(arn[5], request.role):
        return Truth(None, f"who asks, since it names {name}")
    return NO


def _may_be(named: str, role: str) -> bool:
    """Whether somebody so named may be meant: a session of the role, or anybody where the role is not known."""
    return not role or named.startswith(f"assumed-role/{role.rsplit('/', 1)[-1]}/")
