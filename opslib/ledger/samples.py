from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    import pandas as pd

Outcome = Literal[
    "success",
    "redirect",
    "not_found",
    "client_error",
    "rate_limited",
    "server_error",
    "timeout",
    "connection_error",
    "cancelled",
]

TOKEN_OPERATION = "get_access_token"
DATA_LAKE_OPERATION = "read_catalogue"
DOWNLOAD_OPERATION = "read_upload_report"
# Samples of these are kept, but are not calls of the org's API: no figure counts them.
NOT_OF_THE_API = (TOKEN_OPERATION, DATA_LAKE_OPERATION, DOWNLOAD_OPERATION)

# A 404 to one of these is an answer: there is no such object, or it is gone already. To a write it is a failure.
MAY_BE_GONE = ("GET", "DELETE")


class Sample(BaseModel):
    """One HTTP attempt. `latency_s` is wire time: from sending until the whole answer was read, without queueing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    operation: str
    step: str
    method: str
    endpoint: str
    attempt: int
    status: int | None
    outcome: Outcome
    latency_s: float
    started_at: str
    correlation_id: str | None


COLUMNS = ("run_id", *Sample.model_fields)


def outcome_of(status: int) -> Outcome:
    """The outcome that an HTTP status means."""
    if 200 <= status < 300:
        return "success"
    if status < 400:  # redirects are not followed, so what was asked for was not done
        return "redirect"
    if status == 404:
        return "not_found"
    if status == 429:
        return "rate_limited"
    return "client_error" if status < 500 else "server_error"


def frame(rows: Iterable[dict[str, Any]]) -> "pd.DataFrame":
    """A DataFrame with one row per attempt and the columns of `COLUMNS`, also when there are no rows."""
    import pandas as pd

    table = pd.DataFrame(list(rows), columns=list(COLUMNS))
    return table.astype({"attempt": "int64", "status": "Int64", "latency_s": "float64"}).assign(
        started_at=pd.to_datetime(table["started_at"], utc=True)
    )
