"""`opslib where`: which org, workspace and settings the other commands would use. Asks nobody."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from pydantic import SecretStr

from opslib.cli import options
from opslib.cli.output import say, say_json
from opslib.env_file import env_file_path
from opslib.errors import InvalidInput
from opslib.ledger.chain import Entry
from opslib.ledger.database import FILE_NAME, entries_of, reading
from opslib.router.journal import is_left_in
from opslib.settings import DEFAULT, ENV_FILE, Settings, unknown_settings

_KINDS = {
    "sandbox": "SANDBOX: Genesys, S3 and a data lake on this machine; nothing leaves it",
    "live": "LIVE: what you do here changes a real Genesys Cloud org",
    "none": "NO ORG: set OPSLIB_REGION, or start a sandbox: opslib sandbox",
}
_RUNS = 5


@click.command(epilog=options.examples("opslib where", "opslib where --runs 50", "opslib where --json"))
@click.option("--runs", type=click.IntRange(0), default=_RUNS, show_default=True, help="How many runs to list.")
@options.as_json
def where(runs: int, as_json: bool) -> None:
    """Say which org, workspace and settings opslib uses here, and where each setting comes from. Sends no request."""
    here = _Here.now(runs)
    if as_json:
        say_json(here.as_json())
    else:
        say(*here.lines())


@dataclass(frozen=True)
class _Here:
    settings: Settings
    api_url: str
    begun: list[Entry]
    unfinished: bool
    shown: int

    @classmethod
    def now(cls, shown: int) -> "_Here":
        settings, api_url, begun, unfinished = Settings.load(), "", list[Entry](), False
        with suppress(InvalidInput):  # no org is configured
            api_url = settings.api_base
        if (settings.home / FILE_NAME).exists():  # a look makes no ledger
            with reading(settings.home) as db:
                begun = entries_of(db, ["run.started"])
            unfinished = is_left_in(settings.home, api_url)
        return cls(settings, api_url, begun, unfinished, shown)

    @property
    def kind(self) -> str:
        return "none" if not self.api_url else "sandbox" if self.settings.on_sandbox else "live"

    def as_json(self) -> dict[str, Any]:
        """{kind, api_url, org_id, backend, workspace, workspace_fits, unfinished, run_count, runs, …, unknown}."""
        return {
            "kind": self.kind,
            "api_url": self.api_url or None,
            "org_id": self.settings.org_id or None,
            "backend": self.settings.backend,
            "workspace": str(self.settings.home),
            "workspace_fits": self.workspace_fits,
            "unfinished": self.unfinished,
            "run_count": len(self.begun),
            "runs": self._runs(),
            "settings": self._settings(),
            "unknown": [name for name, _, _ in unknown_settings()],
        }

    def lines(self) -> list[str]:
        sources = self.settings.sources()
        org = " ".join(filter(None, [self.api_url or "none", self.settings.org_id]))
        number = len(self.begun)
        return [
            _KINDS[self.kind],
            "",
            f"org        {org}",
            f"backend    {self.settings.backend}{_from(sources['backend'])}",
            f"workspace  {self.settings.home}{_from(sources['home'])}, {number} run{'s' * (number != 1)}",
            *(f"    {run['id']}  {run['command']}  by {run['user']}" for run in self._runs()),
            *self._warnings(),
            "",
            "settings",
            *(f"    {one['name']}: {_in_words(one['value'])}{_from(one['source'])}" for one in self._settings()),
            *(f"⚠ {name} in {place} is not a setting of opslib.{meant}" for name, meant, place in unknown_settings()),
        ]

    @property
    def workspace_fits(self) -> bool:
        """Whether its runs are of this kind; the other commands refuse a workspace with runs of the other one."""
        kinds = {run.data["sandbox"] for run in self.begun if "sandbox" in run.data}
        return self.kind == "none" or not kinds - {self.settings.on_sandbox}

    def _warnings(self) -> Iterator[str]:
        if not self.workspace_fits:
            other = "a live org" if self.settings.on_sandbox else "a sandbox"
            yield f"⚠ this workspace is for {other}, so other commands refuse it here: set OPSLIB_HOME to another one"
        if self.unfinished:
            yield "⚠ an apply is unfinished: opslib resume, or opslib rollback"

    def _runs(self) -> list[dict[str, Any]]:
        """The newest first; unchecked, `opslib verify` proves them."""
        newest = self.begun[::-1][: self.shown]
        return [{"id": run.run_id, "at": run.at, **_named(run, "command", "user")} for run in newest]

    def _settings(self) -> list[dict[str, Any]]:
        sources = self.settings.sources()
        return [
            {"name": f"OPSLIB_{name.upper()}", "value": _shown(getattr(self.settings, name)), "source": source}
            for name, source in sources.items()
        ]


def _named(entry: Entry, *names: str) -> dict[str, Any]:
    return {name: entry.data.get(name) for name in names}


def _shown(value: Any) -> Any:
    """A setting's value; of a secret only that there is one."""
    if isinstance(value, SecretStr):
        return "set, not shown" if value.get_secret_value() else None
    return str(value) if isinstance(value, Path) else value


def _in_words(value: Any) -> str:
    return "not set" if value in (None, "") else {True: "true", False: "false"}.get(value, str(value))


def _from(source: str) -> str:
    """Behind a value: where it comes from."""
    if source == DEFAULT:
        return " (default)"
    return f" (from {env_file_path() if source == ENV_FILE else source})"
