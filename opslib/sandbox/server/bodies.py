from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from opslib.sandbox.server.errors import ApiError

Model = TypeVar("Model", bound=BaseModel)
Text = Annotated[str, Field(min_length=1)]
Days = Annotated[int, Field(ge=1)]
BucketName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
AwsRegion = Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]+$")]
Encryption = Literal["AES256", "aws:kms"]
RoleArn = Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$")]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Reference(BaseModel):
    """Something with an id, of which only that counts, whatever else is sent of it."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    id: Text


def validated(model: type[Model], body: bytes) -> Model:
    """The body, or a 400 that names each wrong field; what was sent is never repeated, it may be a secret."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise refusal(error) from None


def refusal(error: ValidationError) -> ApiError:
    """`invalid.value`, unless the first problem brings a code of Genesys's own, which has a dot in it."""
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    if problems[0]["type"] == "json_invalid":
        return ApiError(400, "The request could not be understood by the server due to malformed syntax.")
    first = problems[0]["type"]
    fields = [(".".join(map(str, problem["loc"])) or "body", problem) for problem in problems]
    return ApiError(
        400,
        "{problems}",
        code=first if "." in first else "invalid.value",
        params={"problems": "; ".join(f"{field}: {problem['msg']}" for field, problem in fields)},
        details=[{"errorCode": problem["type"], "fieldName": field} for field, problem in fields],
    )
