"""The operators of IAM, in three values."""

from typing import Any

import pytest

from opslib.validator.conditions import ABSENT, Context, holds

KNOWN: Context = {
    "k": (("Value",),),
    "arn": (("arn:aws:iam::111111111111:role/a/b",),),
    "n": (("1.2",),),
    "ip": (("203.0.113.7",),),
    "many": (("a", "b"),),
    "either": (("x",), ("y",)),
    "maybe": (("x",), ()),
    "none": ABSENT,
    "star": (("a*b",),),
}


@pytest.mark.parametrize(
    ("operator", "key", "values", "result"),
    [
        ("StringEquals", "K", "Value", True),
        ("StringEquals", "k", "value", False),
        ("StringEqualsIgnoreCase", "k", ["other", "VALUE"], True),
        ("StringNotEqualsIgnoreCase", "k", "VALUE", False),
        ("StringLike", "k", "V?l*", True),
        ("StringNotLike", "k", ["x*", "y*"], True),
        ("StringLike", "star", "a${*}b", True),
        ("StringLike", "k", "V${*}", False),
        ("StringEquals", "star", "a${*}b", True),
        ("StringEquals", "k", "${k}", True),
        ("StringEquals", "k", "${unknown}", None),
        ("StringEquals", "k", ["${unknown}", "Value"], True),
        ("StringEquals", "none", "x", False),
        ("StringNotEquals", "none", "x", True),
        ("StringEqualsIfExists", "none", "x", True),
        ("StringEquals", "unknown", "x", None),
        ("StringLikeIfExists", "unknown", "*", True),
        ("StringLikeIfExists", "unknown", "a*", None),
        ("StringEqualsIfExists", "unknown", "x", None),
        ("StringEqualsIfExists", "unknown", "*", None),
        ("StringNotLike", "unknown", "*", None),
        ("StringEquals", "either", "x", None),
        ("StringEquals", "either", ["x", "y"], True),
        ("StringNotEquals", "either", "z", True),
        ("StringEqualsIfExists", "maybe", "x", True),
        ("StringEquals", "maybe", "x", None),
        ("Null", "none", "true", True),
        ("Null", "k", True, False),
        ("Null", "k", "false", True),
        ("Null", "maybe", "true", None),
        ("Null", "unknown", "true", None),
        ("Null", "k", ["true", "false"], None),
        ("ArnLike", "arn", "arn:aws:iam::111111111111:role/*", True),
        ("ArnEquals", "arn", "arn:aws:iam::*:role/a/?", True),
        ("ArnLike", "arn", "arn:aws:iam::1*", None),
        ("ArnNotLike", "arn", "arn:aws:iam::222222222222:*", True),
        ("NumericLessThan", "n", 1.3, True),
        ("NumericLessThan", "n", "1.20", False),
        ("NumericGreaterThanEquals", "n", "1.20", True),
        ("NumericNotEquals", "n", "1.2", False),
        ("NumericEquals", "n", "TLSv1.2", None),
        ("Bool", "k", "VALUE", True),
        ("IpAddress", "ip", "203.0.113.0/24", True),
        ("NotIpAddress", "ip", ["10.0.0.0/8", "2001:db8::/32"], True),
        ("ForAnyValue:StringEquals", "many", "a", True),
        ("ForAllValues:StringEquals", "many", "a", False),
        ("ForAllValues:StringEquals", "many", ["a", "b", "c"], True),
        ("ForAnyValue:StringNotEquals", "many", "a", True),
        ("ForAllValues:StringNotEquals", "many", "a", False),
        ("ForAllValues:StringEquals", "none", "a", True),
        ("ForAnyValue:StringNotEquals", "none", "a", False),
        ("DateLessThan", "unknown", "2030-01-01", None),
        ("DateLessThan", "none", "2030-01-01", False),
        ("StringAlmostEquals", "k", "Value", None),
    ],
)
def test_an_operator(operator: str, key: str, values: Any, result: bool | None) -> None:
    """True and False as IAM has it; None names the part that nobody can decide."""
    truth = holds({operator: {key: values}}, KNOWN)
    assert truth.holds is result
    assert (f"{operator} {key}" in truth.why) is (result is None)


def test_all_parts_must_hold() -> None:
    """One that does not is enough, whatever is not known; else all that is not known is named."""
    unknown = {"StringEquals": {"unknown": "x"}, "Bool": {"also": "true"}}
    assert holds(None, KNOWN).holds is True
    assert holds({**unknown, "StringLike": {"k": "x"}}, KNOWN).holds is False
    truth = holds({**unknown, "StringLike": {"k": "V*"}}, KNOWN)
    assert (truth.holds, truth.why) == (None, "StringEquals unknown x and Bool also true")
