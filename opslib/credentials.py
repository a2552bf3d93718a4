"""Where secrets come from: the environment, .env, the system's keyring, an AWS profile.

An onboarding names its AWS credentials by reference, as variables or a role; they are looked up here, when they are
needed. Secrets are `SecretStr`, and are announced to `redact`. The keyring is asked where the optional package
`keyring` is installed:

    keyring set opslib NAME        # NAME: the OAuth client's id, or the AWS access key id

One that is missing, locked or broken counts as one without the secret: the other sources remain.
"""

import os
import re
from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from opslib.env_file import env_file_values
from opslib.errors import AwsCredentialsInvalid
from opslib.redact import remember

_ROLE_ARN = r"^arn:aws[a-z-]*:iam::\d{12}:role/[A-Za-z0-9+=,.@_/-]+$"
# AKIA is a long-lived key, ASIA a temporary one (IAM User Guide, "IAM identifiers"); 16 to 128 characters (IAM API).
_ACCESS_KEY_ID = re.compile(r"A[KS]IA[A-Z0-9]{12,124}")
# The form of every secret access key that IAM gives out.
_SECRET_ACCESS_KEY = re.compile(r"[A-Za-z0-9/+]{40}")
# What stands in AWS's own variables is what they are named for. An id is shorter than a secret.
_USUAL_NAMES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
_USUAL_ID = re.compile(r"[\w.-]{1,32}")


def _not_our_own(name: str) -> str:
    if name.upper().startswith("OPSLIB_"):
        raise ValueError("variables that begin with OPSLIB_ are opslib's own; name one that holds an AWS key")
    return name


EnvName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$"), AfterValidator(_not_our_own)]

KEYRING_SERVICE = "opslib"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class AwsKeys(_Model):
    """A key pair as it goes to the wire; never stored. The secret is hidden from every output."""

    access_key_id: Annotated[str, Field(min_length=1)]
    secret_access_key: SecretStr

    @model_validator(mode="after")
    def _hide(self) -> Self:
        remember(self.secret_access_key)
        return self


_KEYRING, _PROFILE = "the keyring", "the AWS profile "


class KeyReference(_Model):
    """Where the AWS key pair is found: the names of two environment variables, also in .env; else AWS_PROFILE's. The
    secret alone may be in the keyring, under the access key id."""

    model_config = ConfigDict(title="With an AWS key pair from the environment")

    access_key_id_env: Annotated[EnvName, Field(title="Variable with the access key id")] = "AWS_ACCESS_KEY_ID"
    secret_access_key_env: Annotated[EnvName, Field(title="Variable with the secret access key")] = (
        "AWS_SECRET_ACCESS_KEY"
    )

    def resolve(self, environ: Mapping[str, str] | None = None) -> AwsKeys:
        """The keys. Raises AwsCredentialsInvalid naming the variable that is not set."""
        return self.find(environ)[0]

    def find(self, environ: Mapping[str, str] | None = None) -> tuple[AwsKeys, str]:
        """The keys and where they came from, in words: environment, .env, keyring, or the profile AWS_PROFILE names.

        Raises AwsCredentialsInvalid naming the variable that is not set, or that holds something else: the id is sent,
        shown and kept, and a file must not choose which of your secrets that happens to.
        """
        keys, source = self._find(environ)
        if not source.startswith(_PROFILE):  # which the file does not choose
            self._check(keys, source)
        return keys, source

    def _check(self, keys: AwsKeys, source: str) -> None:
        id_name, secret_name = _USUAL_NAMES
        key_id, secret = keys.access_key_id, keys.secret_access_key.get_secret_value()
        usual_id = self.access_key_id_env == id_name and _USUAL_ID.fullmatch(key_id)
        if not (usual_id or _ACCESS_KEY_ID.fullmatch(key_id)):
            form = "AKIA or ASIA and at least 12 capital letters and digits"
            raise _not_a_key(self.access_key_id_env, "access key id", source, form)
        if (
            source != _KEYRING
            and self.secret_access_key_env != secret_name
            and not _SECRET_ACCESS_KEY.fullmatch(secret)
        ):
            form = "40 letters, digits, / and +"
            raise _not_a_key(self.secret_access_key_env, "secret access key", source, form)

    def _find(self, environ: Mapping[str, str] | None = None) -> tuple[AwsKeys, str]:
        environ = os.environ if environ is None else environ
        for known, source in ((environ, "the environment"), (env_file_values(), ".env")):
            if known.get(self.access_key_id_env) and known.get(self.secret_access_key_env):
                secret = SecretStr(known[self.secret_access_key_env])
                return AwsKeys(access_key_id=known[self.access_key_id_env], secret_access_key=secret), source
        key_id = environ.get(self.access_key_id_env) or env_file_values().get(self.access_key_id_env)
        if key_id and (kept := kept_secret(key_id)):
            return AwsKeys(access_key_id=key_id, secret_access_key=kept), _KEYRING
        if (profile := environ.get("AWS_PROFILE")) and (keys := _profile_keys(profile)):
            return keys, f"{_PROFILE}{profile}"
        missing = [name for name in (self.access_key_id_env, self.secret_access_key_env) if not environ.get(name)]
        raise AwsCredentialsInvalid(
            "The storage target's AWS key is not set",
            cause=f"neither environment nor .env has: {', '.join(missing)}; and neither keyring nor AWS_PROFILE helps",
            fix="set the variables or AWS_PROFILE before starting, or name other variables in the onboarding file",
        )


def _not_a_key(variable: str, what: str, source: str, form: str) -> AwsCredentialsInvalid:
    return AwsCredentialsInvalid(
        f"{variable} does not hold an AWS {what}",
        cause=f"its value, from {source}, is not of the form {form}",
        fix=f"name the variable that holds the {what}; the value was neither sent nor shown",
    )


def _profile_keys(profile: str) -> AwsKeys | None:
    """A profile's long-lived key pair. Genesys cannot write with temporary keys: they expire."""
    import botocore.session
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        keys = botocore.session.Session(profile=profile).get_credentials()
        # Each of these may ask SSO or STS.
        if not keys or keys.token or not keys.access_key or not keys.secret_key:
            return None
        return AwsKeys(access_key_id=keys.access_key, secret_access_key=SecretStr(keys.secret_key))
    except (BotoCoreError, ClientError) as error:
        refused = credentials_refused(error, profile)
    refused.fix += "; Genesys itself cannot write with temporary keys: give it a key pair or a role"
    raise refused


def credentials_refused(error: Exception, profile: str = "") -> AwsCredentialsInvalid:
    """botocore's error as one of ours, when a profile or the environment names credentials that cannot be had."""
    profile = profile or os.environ.get("AWS_PROFILE") or os.environ.get("AWS_DEFAULT_PROFILE") or ""
    cause = f"{type(error).__name__}: {error}"
    if (role := os.environ.get("AWS_ROLE_ARN")) and not profile:
        return AwsCredentialsInvalid(
            f"The role {role} of AWS_ROLE_ARN gives no credentials",
            cause=cause,
            fix="check AWS_WEB_IDENTITY_TOKEN_FILE and the role's trust policy, or set AWS_PROFILE",
        )
    profile = profile or "default"
    return AwsCredentialsInvalid(
        f"The AWS profile {profile} gives no credentials",
        cause=cause,
        fix=f"run `aws sso login --profile {profile}` if it signs in so; else correct the role or key that it names. "
        f"`aws sts get-caller-identity --profile {profile}` says when it works",
    )


def usual_keys() -> AwsKeys | None:
    """The key pair of the usual variables; None where boto3's own chain, such as a role, is to be used. Temporary keys
    need their token, which only boto3 sends."""
    if os.environ.get("AWS_SESSION_TOKEN"):
        return None
    try:
        return KeyReference()._find()[0]
    except AwsCredentialsInvalid:
        return None


class RoleReference(_Model):
    """An IAM role that Genesys assumes; no key leaves AWS."""

    model_config = ConfigDict(title="With an IAM role; no key leaves AWS")

    role_arn: Annotated[
        str, Field(pattern=_ROLE_ARN, max_length=600, description="Such as arn:aws:iam::123456789012:role/Recordings.")
    ]
    external_id: Annotated[str, Field(min_length=2, max_length=1224, pattern=r"^[A-Za-z0-9+=,.@:/_-]+$")]


def kept_secret(name: str) -> SecretStr | None:
    """The secret of this name, None when there is none. Imports keyring here: that takes 0.3 s."""
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        return None
    try:
        secret = keyring.get_password(KEYRING_SERVICE, name)
    except KeyringError:
        return None
    if secret:
        remember(secret)
    return SecretStr(secret) if secret else None
