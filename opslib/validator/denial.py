"""What AWS says when it denies an action: which action, on what, and by which kind of policy.

The sentences are those of the IAM User Guide, “Troubleshoot access denied error messages”: “User: U is not authorized
to perform: A on resource: R because no identity-based policy allows the A action”, or “… with an explicit deny in a
service control policy”, since 2026 with that policy's ARN. A service may leave out the resource, the reason or both.
"""

import re
from dataclasses import dataclass

_SENTENCE = re.compile(
    r"not authorized to perform: (?P<action>[a-z0-9-]+:[A-Za-z0-9*]+)"
    r"(?:,? on (?:the )?resource:? \"?(?P<resource>[^\s\"]+)\"?)?",
)
_REASON = re.compile(
    r"(?P<explicit>explicit deny)? ?(?:in a|in an|because no) (?P<kind>"
    r"identity-based|resource-based|service control|resource control|VPC endpoint|session|permissions boundar)",
    re.IGNORECASE,
)
_ENCODED = re.compile(r"(Encoded authorization failure message: ?)\S+")
_MOST_CHARACTERS = 700

_WHERE = {
    "identity-based": "the policies of the user or role that asks",
    "service control": "a service control policy of your AWS organization",
    "resource control": "a resource control policy of your AWS organization",
    "vpc endpoint": "the policy of the VPC endpoint that the request came through",
    "session": "the policy of the session that asks",
    "permissions boundar": "the permissions boundary of the user or role that asks",
}
_OF_RESOURCE = {"s3": "the bucket policy", "kms": "the key policy", "sts": "the trust policy of the role"}


@dataclass(frozen=True)
class Denial:
    """A denied action.

    Attributes:
        action: the IAM action, such as kms:GenerateDataKey.
        resource: the ARN that it was denied on; empty where AWS does not say.
        where: which policy denies or does not allow it, in words; empty where AWS does not say.
        explicit: whether a Deny statement did it, so that no further Allow helps.
    """

    action: str
    resource: str = ""
    where: str = ""
    explicit: bool = False

    @property
    def fix(self) -> str:
        """What to change, and where."""
        what = f"{self.action} on {self.resource}" if self.resource else self.action
        if self.explicit:
            return f"Change {self.where}: it denies {what}, and an Allow elsewhere does not help."
        return f"Allow {what}{f' in {self.where}' if self.where else ' to the key that asks'}."


def denial_in(message: str) -> Denial | None:
    """What the message says is denied; None where it names no action."""
    if not (sentence := _SENTENCE.search(message)):
        return None
    resource = (sentence["resource"] or "").rstrip(".,")
    if not (reason := _REASON.search(message, sentence.end())):
        return Denial(sentence["action"], resource)
    return Denial(
        sentence["action"], resource, _where(reason["kind"].lower(), sentence["action"]), bool(reason["explicit"])
    )


def _where(kind: str, action: str) -> str:
    if kind == "resource-based":
        return _OF_RESOURCE.get(action.split(":")[0], "the policy of the resource")
    return _WHERE[kind]


def quoted(message: str) -> str:
    """AWS's own words, on one line; what is encoded in them, and only AWS can read, is cut."""
    text = _ENCODED.sub(r"\1(cut)", " ".join(message.split()))
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}…"
