import importlib.metadata
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from opslib.credentials import KeyReference
from opslib.env_file import env_file_path, open_to_others
from opslib.errors import AwsCredentialsInvalid, OpslibError
from opslib.html import Html, table, verdict
from opslib.ledger.database import FILE_NAME
from opslib.ledger.ledger import Ledger
from opslib.new_files import part_folder
from opslib.settings import DEFAULT, ENV_FILE, Settings, unknown_settings
from opslib.verdict import Readiness


def check_environment(environ: Mapping[str, str] = os.environ) -> list[Readiness]:
    """Packages, workspace, org and AWS key, in this order."""
    return [_packages(), *_settings(environ)]


def environment_table(environ: Mapping[str, str] = os.environ) -> Html:
    """The answers as a table for a notebook."""
    return readiness_table("Is this machine ready?", check_environment(environ))


def readiness_table(caption: str, rows: Sequence[Readiness]) -> Html:
    """Answers as a table; each verdict has its icon."""
    cells = [(row.question, verdict(row.word), row.found, row.fix or "–") for row in rows]
    return table(caption, ("Question", "Answer", "Found", "Fix"), cells)


def _packages() -> Readiness:
    wrong = list(_wrong_packages(importlib.metadata.requires("opslib") or []))
    if not wrong:
        return Readiness("Packages as opslib needs them", "PASS", "all are there")
    return Readiness("Packages as opslib needs them", "FAIL", "; ".join(wrong), "run: make install")


def _wrong_packages(wanted: list[str]) -> Iterator[str]:
    from packaging.requirements import Requirement

    for requirement in map(Requirement, wanted):
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            installed = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            yield f"{requirement.name} is missing"
            continue
        if installed not in requirement.specifier:
            yield f"{requirement.name} {installed} is not {requirement.specifier}"


def _settings(environ: Mapping[str, str]) -> Iterator[Readiness]:
    try:
        settings = Settings.load()
    except OpslibError as error:
        yield Readiness("Settings are valid", "FAIL", f"{error.title}: {error.cause}", error.fix)
        return
    yield from _unknown_settings()
    yield from _unsafe_places(settings)
    yield _workspace(settings.home)
    yield _org(settings)
    yield _aws_key(environ)


def settings_rows(settings: Settings) -> list[Readiness]:
    """Where the settings come from, and who else could have written them or the workspace."""
    sources: dict[str, list[str]] = {}
    for name, source in settings.sources().items():
        sources.setdefault(source, []).append(f"OPSLIB_{name.upper()}")
    sources.pop(DEFAULT, None)
    named = {source if source != ENV_FILE else f"{env_file_path()}": names for source, names in sources.items()}
    found = "; ".join(f"{', '.join(names)} from {source}" for source, names in named.items())
    answer = Readiness("Where the settings come from", "PASS", found or "all are defaults")
    return [answer, *_unknown_settings(), *_unsafe_places(settings)]


def _unknown_settings() -> list[Readiness]:
    return [
        Readiness(f"{name} is a setting", "WARN", f"opslib has none of this name.{meant}", f"correct it in {place}")
        for name, meant, place in unknown_settings()
    ]


def _unsafe_places(settings: Settings) -> list[Readiness]:
    places = {
        "The .env file is safe": (env_file_path(),),
        "The workspace is safe": (settings.home, settings.home / FILE_NAME),
    }
    return [
        Readiness(question, "WARN", *risk)
        for question, paths in places.items()
        for risk in filter(None, map(open_to_others, paths))
    ]


def _workspace(home: Path) -> Readiness:
    question = "The workspace can be written"
    try:
        if (home / FILE_NAME).exists():
            Ledger(home).close()
            return Readiness(question, "PASS", "the ledger opens")
        # A check must not start a record: a ledger is tried next to where it will be, and removed again.
        existing = next(folder for folder in (home, *home.parents) if folder.exists())
        with part_folder(existing) as folder:
            Ledger(folder).close()
    except OpslibError as error:
        return Readiness(question, "FAIL", error.cause, error.fix)
    except OSError as error:
        return Readiness(question, "FAIL", str(error), "set OPSLIB_HOME to a folder that you may write to")
    return Readiness(question, "PASS", "a ledger can be made")


def _org(settings: Settings) -> Readiness:
    question = "An org is configured"
    try:
        base = settings.api_base
    except OpslibError as error:
        return Readiness(question, "WARN", error.cause, "nothing, to work on the sandbox; else set OPSLIB_REGION")
    if not (settings.client_id and settings.client_secret.get_secret_value()):
        return Readiness(question, "WARN", f"{base}, without an OAuth client", "enter id and secret in notebook 01")
    return Readiness(question, "PASS", "the sandbox on this machine" if settings.on_sandbox else base)


def _aws_key(environ: Mapping[str, str]) -> Readiness:
    question = "An AWS key is there"
    try:
        _, source = KeyReference().find(environ)
    except AwsCredentialsInvalid as error:
        fix = f"{error.fix}. The sandbox brings its own; temporary keys, as of SSO, check buckets and do no more"
        return Readiness(question, "WARN", f"{error.title}: {error.cause}", fix)
    return Readiness(question, "PASS", f"from {source}")
