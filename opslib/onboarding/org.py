"""Which org an onboarding is for, where a folder of them is for several: by region, and by the names of variables.

Secrets are never part of it. A file without this block is for the org that the environment names.
"""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

_Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")]


class OrgReference(BaseModel):
    """The org's region, or its URLs, and the variables that hold its OAuth client."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    region: Annotated[str, Field(title="Genesys region", description="As in OPSLIB_REGION, such as eu-central-1.")] = ""
    api_url: Annotated[str, Field(title="API URL", description="Instead of a region: a gateway or the sandbox.")] = ""
    login_url: Annotated[str, Field(title="Login URL", description="Where tokens are issued, if elsewhere.")] = ""
    client_id_env: Annotated[_Variable, Field(description="The variable that holds the OAuth client's id.")]
    client_secret_env: Annotated[_Variable, Field(description="The variable that holds its secret.")]

    @model_validator(mode="after")
    def _names_one_place(self) -> Self:
        if bool(self.region) == bool(self.api_url):
            raise ValueError("give either region or api_url")
        if self.login_url and not self.api_url:
            raise ValueError("login_url goes with api_url; a region has its own")
        return self
