"""What can go wrong, each with its cause and its fix. What Genesys's refusals mean is said here, class by class.

OpslibError
├── InvalidInput (ValueError)            refused before anything was sent
├── StepBlocked                          a step was asked for before what it needs
├── ChangeRefused                        a plan was not applied; nothing was written
│   ├── WrongOrg                         the org is not the one that is stated, or does not say which one it is
│   ├── StalePlan                        the org is not as it was when the plan was made
│   ├── ConsentMissing                   an unsafe change without consent
│   ├── ApprovalRefused                  an approval by a second key is missing, or does not count
│   └── Busy                             somebody else works in this workspace, or a plan was left unfinished
├── OrgDrifted                           the org is not as the onboarding says; nothing was written
├── RolledBack                           a change failed; the state before was restored
├── HalfDone                             a change failed or was stopped, and something is left to do
│   ├── ServerKeptOther                  the server keeps something else than was sent; the user decides
│   └── ChangedMeanwhile                 an object of an unfinished apply was changed; the user decides
├── LedgerError                          the record of events cannot be read or written
│   └── LedgerNotProved                  it is not as it was signed, so nothing acts on it
├── SigningKeyError                      the key that signs the record cannot be read or made
├── SandboxError                         the local sandbox did not start
├── Defect                               an exception that nobody foresaw: a fault of opslib
├── ApiError                             Genesys answered, and the answer is no
│   ├── InvalidRequest (ValueError)      400
│   ├── AuthenticationFailed             401, and a token that was refused
│   ├── PermissionMissing (PermissionError)  403
│   ├── NotFound (LookupError)           404
│   ├── Conflict                         409
│   │   └── DuplicateName                two objects of one name
│   ├── RateLimited                      429, also after all tries
│   ├── ServerFailure                    5xx, also after all tries
│   └── UnexpectedAnswer                 anything else, or an answer of another shape
├── ConnectionFailed (ConnectionError)   no answer: refused, dropped, timed out
├── DeadlineExceeded (TimeoutError)      the operation's time was used up
└── BucketError                          S3 answered, and the bucket is not fit
    ├── BucketNotFound (ValueError)
    ├── BucketAccessDenied (PermissionError)
    │   └── BucketOfAnotherAccount       S3 says that it is not the expected account's
    ├── BucketWrongRegion (ValueError)
    ├── BucketNotEncrypted (ValueError)
    ├── BucketUnfit                      it fails a check of its profile
    ├── BucketUnreachable (ConnectionError)
    └── AwsCredentialsInvalid (ValueError)
"""

import traceback
from pathlib import Path
from typing import Any, ClassVar

from opslib.visible import visible

# An unforeseen exception may quote a whole answer.
_LONGEST_CAUSE = 500


class OpslibError(Exception):
    """The base of all errors of this package. Texts are redacted and made visible
    (opslib.visible) when the error is made: they may quote a server.

    Attributes:
        title: what failed, one short line.
        cause: why, as far as it is known.
        fix: what the reader can do.
        status: the HTTP status, if a server answered.
        correlation_id: the id that Genesys or AWS gave the request; support asks for it.
    """

    def __init__(
        self,
        title: str,
        *,
        cause: str,
        fix: str,
        status: int | None = None,
        correlation_id: str | None = None,
    ) -> None:
        self.title, self.cause, self.fix = visible(title), visible(cause), visible(fix)
        self.status = status
        self.correlation_id = correlation_id and visible(correlation_id)
        super().__init__(self.title)

    def __str__(self) -> str:
        lines = [self.title, f"  Cause: {self.cause}", f"  Fix: {self.fix}"]
        if self.correlation_id:
            lines.append(f"  Correlation id: {self.correlation_id}")
        return "\n".join(lines)

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows for an error that ends a cell: what, why and what to do, not our source."""
        return f"{type(self).__name__}: {self}".splitlines()

    def as_json(self) -> dict[str, Any]:
        """{error, title, cause, fix, status, correlation_id}; used by --json, the ledger and the error card."""
        return {
            "error": type(self).__name__,
            "title": self.title,
            "cause": self.cause,
            "fix": self.fix,
            "status": self.status,
            "correlation_id": self.correlation_id,
        }


class InvalidInput(OpslibError, ValueError):
    """A value was refused before anything was sent."""


class StepBlocked(OpslibError):
    """A step was asked for before what it needs was done."""


class ChangeRefused(OpslibError):
    """A plan was not applied; nothing was written."""


class WrongOrg(ChangeRefused):
    """The org is not the one that is stated, or does not say which one it is."""


class StalePlan(ChangeRefused):
    """The org is not as it was when the plan was made."""


class ConsentMissing(ChangeRefused):
    """An unsafe change without consent."""


class ApprovalRefused(ChangeRefused):
    """An approval by a second key is missing, or does not count."""


class Busy(ChangeRefused):
    """Somebody else applies a plan or verifies the archive in this workspace, or a plan was left unfinished."""


class OrgDrifted(OpslibError):
    """The org is not as the onboarding says; nothing was written."""


class RolledBack(OpslibError):
    """A change failed; the state before was restored and read back."""


class HalfDone(OpslibError):
    """A change failed or was stopped, and something is left to do; the cause says exactly what."""


class ServerKeptOther(HalfDone):
    """The server took a write and keeps something else; the cause names each field, what was sent and what was kept."""


class ChangedMeanwhile(HalfDone):
    """An object is not as the unfinished apply left it; the cause names each field, what was sent and what is there."""


class LedgerError(OpslibError):
    """The ledger cannot be opened, read or written."""


class LedgerNotProved(LedgerError):
    """The ledger is not as it was signed, or does not say that something was approved; nothing acts on it."""


class SigningKeyError(OpslibError):
    """The key that signs the ledger cannot be read or made."""


class SandboxError(OpslibError):
    """The local sandbox did not start."""


class Defect(OpslibError):
    """An exception that nobody foresaw. `doing` is what was done, in words.

    Attributes:
        trace: where it came from, line by line, without any value.
    """

    def __init__(self, doing: str, error: Exception) -> None:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [f"{Path(at.filename).name} line {at.lineno}, in {at.name}: {at.line or ''}" for at in frames]
        words = "; ".join([f"{type(error).__name__}: {error}"[:_LONGEST_CAUSE], *getattr(error, "__notes__", ())])
        super().__init__(
            f"Unexpected error in {doing}",
            cause=words,
            fix="this is a defect of opslib: please report this text; what was sent is in the ledger",
        )
        self.trace = "\n".join(lines)

    def __str__(self) -> str:
        return f"{super().__str__()}\n  Where:\n" + "\n".join(f"    {line}" for line in self.trace.splitlines())

    def as_json(self) -> dict[str, Any]:
        """The same with {trace}."""
        return {**super().as_json(), "trace": self.trace}


def foreseen(error: Exception, doing: str) -> OpslibError:
    """The error, or the defect that it is."""
    return error if isinstance(error, OpslibError) else Defect(doing, error)


class ApiError(OpslibError):
    """Genesys answered, and the answer is no.

    Attributes:
        advice: title and fix for an API answer of which only the status is known; the cause is the server's to say.
        login_advice: the same for an answer of the token endpoint.
    """

    advice: ClassVar[tuple[str, str]] = ("Genesys gave an unexpected answer", "check the API URL")
    login_advice: ClassVar[tuple[str, str]] = (
        "The token endpoint gave no token",
        "check that OPSLIB_LOGIN_URL is a Genesys Cloud login host",
    )


class InvalidRequest(ApiError, ValueError):
    """400: the server refused the content."""

    advice = ("Genesys refused the content", "correct what the cause names, then try again")


class AuthenticationFailed(ApiError):
    """401: wrong or disabled client credentials, or a token that is no longer accepted."""

    advice = (
        "Genesys did not accept the access token",
        "check that the OAuth client is enabled and that the region is the org's own",
    )
    login_advice = (
        "Genesys did not accept the client id and secret",
        "compare the client id and secret, typed or from OPSLIB_CLIENT_ID and OPSLIB_CLIENT_SECRET, with "
        "Admin > Integrations > OAuth, and the region with the org's own",
    )


class PermissionMissing(ApiError, PermissionError):
    """403: the OAuth client lacks a scope or permission."""

    advice = (
        "The OAuth client lacks a permission",
        "add the scope or permission that the cause names to the OAuth client's role, then connect again",
    )


class NotFound(ApiError, LookupError):
    """404: no such object, or no such API on this org."""

    advice = ("Genesys has no such object", "check the id; a live org may not serve this API at all")


class Conflict(ApiError):
    """409: another object still depends on this one, or somebody changed it meanwhile."""

    advice = ("Genesys reports a conflict", "read the object again: another one depends on it, or it was changed")


class DuplicateName(Conflict):
    """Several objects have one name, where the name is what an object is known by.

    Attributes:
        ids: the server's ids of all of them.
    """

    def __init__(self, title: str, *, cause: str, fix: str, ids: tuple[str, ...]) -> None:
        super().__init__(title, cause=cause, fix=fix)
        self.ids = ids


class RateLimited(ApiError):
    """429: the limit was still reached after every try, or the wait asked for is too long."""

    advice = (
        "The rate limit was still reached after every try",
        "wait a minute; if other programs share this OAuth client, give each its own",
    )
    login_advice = ("Too many tokens were asked for", advice[1])


class ServerFailure(ApiError):
    """5xx: the service failed, also after every try."""

    advice = ("Genesys failed", "try again later; if it lasts, give support the correlation id")
    login_advice = ("The login host failed", "try again later; if it lasts, look at status.mypurecloud.com")


class UnexpectedAnswer(ApiError):
    """An answer that the contract does not know."""


_BY_STATUS: dict[int, type[ApiError]] = {
    400: InvalidRequest,
    401: AuthenticationFailed,
    403: PermissionMissing,
    404: NotFound,
    409: Conflict,
    429: RateLimited,
}


def error_class(status: int) -> type[ApiError]:
    """The error that a status of the API other than success means."""
    return _BY_STATUS.get(status, ServerFailure if status >= 500 else UnexpectedAnswer)


class ConnectionFailed(OpslibError, ConnectionError):
    """No answer came: refused, dropped or timed out."""


class DeadlineExceeded(OpslibError, TimeoutError):
    """The operation did not finish in its time; what the server did with it is unknown."""


class BucketError(OpslibError):
    """The bucket cannot be used as it is."""


class BucketNotFound(BucketError, ValueError):
    """404: no such bucket."""


class BucketAccessDenied(BucketError, PermissionError):
    """403: an IAM permission is missing, or the bucket belongs to somebody else."""


class BucketOfAnotherAccount(BucketAccessDenied):
    """The bucket does not belong to the account that was expected."""


class BucketWrongRegion(BucketError, ValueError):
    """The bucket is in another region than stated."""


class BucketNotEncrypted(BucketError, ValueError):
    """No default encryption is configured."""


class BucketUnfit(BucketError):
    """The bucket fails a check of its profile."""


class BucketUnreachable(BucketError, ConnectionError):
    """S3 did not answer."""


class AwsCredentialsInvalid(BucketError, ValueError):
    """No AWS credentials, or AWS does not accept them."""
