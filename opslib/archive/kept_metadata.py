"""What Genesys said of the recordings of conversations, kept while not all have been asked for: a run that was stopped
goes on and asks only for what it lacks."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from opslib.archive.reasons import Recorded
from opslib.new_files import replaced_file

Answers = dict[str, list[Recorded] | None]
"""By conversation; None where Genesys has no such conversation."""

# Dates change, so an answer is good for so long (seconds).
_GOOD_S: Final = 86_400
_PART: Final = "part-{number:06}.json"


class KeptMetadata:
    """The answers in a folder that `source` names: another source, or an old one, begins with an empty folder."""

    def __init__(self, folder: Path, source: str) -> None:
        self._folder, self._source = folder, source
        folder.mkdir(parents=True, exist_ok=True)
        parts = [_read(path) for path in sorted(folder.glob("part-*.json"))]
        good = [part for part in parts if part["source"] == source and time.time() - part["at_s"] < _GOOD_S]
        if len(good) < len(parts):
            self.remove()
            good = []
        self._next = len(good)
        self.answers: Answers = {}
        for part in good:
            self.answers |= {name: _recordings(said) for name, said in part["answers"].items()}

    def add(self, answers: Mapping[str, list[Recorded] | None]) -> None:
        """Keeps them: they are on disk when this returns. Raises OSError."""
        said = {name: found if found is None else [vars(one) for one in found] for name, found in answers.items()}
        with replaced_file(self._folder / _PART.format(number=self._next)) as file:
            file.write(json.dumps({"source": self._source, "at_s": time.time(), "answers": said}).encode())
        self._next += 1
        self.answers |= answers

    def remove(self) -> None:
        """Forgets all: the next run asks again."""
        for path in self._folder.glob("part-*.json"):
            path.unlink()


def _read(path: Path) -> dict[str, Any]:
    part: dict[str, Any] = json.loads(path.read_bytes())
    return part


def _recordings(said: list[dict[str, Any]] | None) -> list[Recorded] | None:
    return None if said is None else [Recorded(**one) for one in said]
