"""A fleet's files: which onboardings there are, and which of them cannot go together. Nothing is sent.

Of each file only what tells it apart is kept; it is read again when its turn comes. Two files may share an object that
they describe alike, such as a webhook. Refused are:

- a file that cannot be read, or whose org cannot be told;
- two files for one policy: a policy belongs to one onboarding;
- files that describe one object in different ways;
- on platform, files of one org with different S3 integrations: only one can be active.
"""

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from opslib.errors import InvalidInput, OpslibError, foreseen
from opslib.onboarding.file import parse_onboarding
from opslib.onboarding.models import Onboarding
from opslib.onboarding.yaml_file import read_text
from opslib.settings import Settings
from opslib.walk.org_settings import org_key, settings_for
from opslib.walk.state_machine import hash_of

# The kind, and the id or name.
Claimed = tuple[str, str]
_NO_IDS: Mapping[str, str] = {}


@dataclass(frozen=True)
class Member:
    """One file of a fleet. `org` is its org, as `org_key` has it. `claims` has the objects that it describes, each with
    a hash of how; `content` is that of the file. `error` is why it cannot take part."""

    path: Path
    settings: Settings | None = None
    org: str = ""
    target: str = ""
    backend: str = ""
    content: str = ""
    claims: tuple[tuple[Claimed, str], ...] = ()
    enabled: bool = True
    error: OpslibError | None = None

    @property
    def file(self) -> str:
        return self.path.name

    async def loaded(self) -> Onboarding:
        """The onboarding, read in a thread. Raises InvalidInput, also for a file that has changed since."""
        return await asyncio.to_thread(self._load)

    def _load(self) -> Onboarding:
        text = read_text(self.path)
        if _hash(text) != self.content:
            raise InvalidInput(
                f"{self.file} has changed while the fleet was at work",
                cause="it is not the file that was planned",
                fix="run `opslib fleet` again; nothing was written for this file",
            )
        return parse_onboarding(text, str(self.path))


def read_members(folder: Path) -> list[Member]:
    """Every *.yaml and *.yml file in the folder, by name. Raises InvalidInput where there is none."""
    paths = sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])
    if not paths:
        raise InvalidInput(f"No onboarding files in {folder}", cause="no *.yaml or *.yml", fix="name another folder")
    orgs: dict[str, Settings] = {}
    return [_read(path, orgs) for path in paths]


def conflicts(members: Iterable[Member], ids: Mapping[str, str] = _NO_IDS) -> dict[str, InvalidInput]:
    """Why files cannot go together, by file. `ids` has the ids of the orgs that are known: two OAuth clients may be of
    one org."""
    by_org: dict[str, list[Member]] = defaultdict(list)
    for member in members:
        if not member.error:
            by_org[ids.get(member.org) or member.org].append(member)
    return {path.name: error for files in by_org.values() for path, error in _in_one_org(files)}


def _read(path: Path, orgs: dict[str, Settings]) -> Member:
    try:
        text = read_text(path)
        onboarding = parse_onboarding(text, str(path))
        settings = settings_for(onboarding)
        org = org_key(settings)
    except Exception as error:  # noqa: BLE001 (one file must not keep the others from being read)
        return Member(path, error=foreseen(error, f"reading {path.name}"))
    values = onboarding.values()
    claims = tuple(((kind, id), hash_of(values[kind])) for kind, id in onboarding.objects.items())
    target = onboarding.target
    own = orgs.setdefault(org, settings)
    return Member(path, own, org, target.name, onboarding.backend, _hash(text), claims, target.enabled)


def _in_one_org(members: Sequence[Member]) -> Iterator[tuple[Path, InvalidInput]]:
    claimants: dict[Claimed, list[tuple[Member, str]]] = defaultdict(list)
    for member in members:
        for claimed, how in member.claims:
            claimants[claimed].append((member, how))
    for (kind, id), claims in claimants.items():
        files = [member for member, _ in claims]
        if kind == "policy" and len(files) > 1:
            yield from _refused(files, f"Several files claim policy {id}", "a policy belongs to one onboarding", _ONE)
        elif len({how for _, how in claims}) > 1:
            yield from _refused(files, f"Several files describe {kind} {id}", "they do not say the same of it", _ALIKE)
    exporting = [member for member in members if member.backend == "platform" and member.enabled]
    if len({member.target for member in exporting}) > 1:
        why = "only one S3 integration can be active in an org"
        yield from _refused(exporting, "Several files want another S3 integration", why, _SHARE)


_ONE = "remove or correct all files but one; nothing was sent for them"
_ALIKE = "describe it alike in all of them, or give it another id; nothing was sent for them"
_SHARE = "give the files of one org the same target, with the same settings; nothing was sent for them"


def _refused(files: Iterable[Member], title: str, why: str, fix: str) -> Iterator[tuple[Path, InvalidInput]]:
    files = list(files)
    names = ", ".join(member.file for member in files[:10]) + (" …" if len(files) > 10 else "")
    for member in files:
        yield member.path, InvalidInput(title, cause=f"{why}: {names}", fix=fix)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
