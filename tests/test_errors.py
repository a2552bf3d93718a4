import re

import pytest

from opslib import errors


def test_docstring_draws_the_whole_tree() -> None:
    """Every error class stands in the module's docstring with its built-in base."""
    drawn = set(re.findall(r"\b([A-Z]\w+)\b", errors.__doc__ or ""))
    classes = {
        name: value
        for name, value in vars(errors).items()
        if getattr(value, "__module__", "") == errors.__name__ and isinstance(value, type)
    }
    assert set(classes) <= drawn
    for value in classes.values():
        assert issubclass(value, errors.OpslibError)


def test_text_names_cause_fix_and_correlation_id() -> None:
    """What an engineer needs at night is in the text."""
    text = str(errors.RateLimited("Too fast", cause="300 in 60 s", fix="wait", status=429, correlation_id="abc-1"))
    assert text.splitlines() == ["Too fast", "  Cause: 300 in 60 s", "  Fix: wait", "  Correlation id: abc-1"]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, errors.UnexpectedAnswer),
        (400, errors.InvalidRequest),
        (401, errors.AuthenticationFailed),
        (403, errors.PermissionMissing),
        (404, errors.NotFound),
        (409, errors.Conflict),
        (418, errors.UnexpectedAnswer),
        (429, errors.RateLimited),
        (500, errors.ServerFailure),
        (503, errors.ServerFailure),
    ],
)
def test_every_status_has_an_error_with_advice(status: int, kind: type[errors.ApiError]) -> None:
    """A title and a fix, also where the server says nothing."""
    assert errors.error_class(status) is kind
    assert all(errors.error_class(status).advice)
    assert all(errors.error_class(status).login_advice)
