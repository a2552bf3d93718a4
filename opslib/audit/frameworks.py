"""What the controls of a run support of SEC 17a-4(f), MiFID II and SOC 2, paragraph by paragraph. Each framework is a
file in `framework_files`.

Nothing here says that a requirement is met: a control that passes is evidence, and only for a paragraph whose text was
read. What was not read says so, and supports nothing.
"""

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from pydantic import BaseModel, ConfigDict

from opslib.audit.control_result import ControlResult
from opslib.onboarding.yaml_file import read_yaml

FILES = ("mifid-ii", "sec-17a-4f", "soc-2")
NOT_READ = "Paragraph not checked"
NOT_IN_THIS_RUN = "Not checked in this run"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Paragraph(_Part):
    """`asks` is in our words; where the text was not `read`, it is what others say of it. `controls` are ids of
    `ControlResult`, chosen narrowly; where they cover the `whole` of it, it is supported, else in part at most.
    `missing` is what this record cannot show."""

    paragraph: str
    read: bool = False
    whole: bool = False
    asks: str
    controls: Sequence[str]
    missing: str


class Framework(_Part):
    """`profile` is the profile that makes it the rule of a run; `texts` says what was read, where and when."""

    name: str
    profile: str = ""
    texts: str
    paragraphs: Sequence[Paragraph]


@cache
def frameworks() -> Sequence[Framework]:
    return [_load(name) for name in FILES]


def own(paragraph: Paragraph, results: Sequence[ControlResult]) -> list[ControlResult]:
    """The controls of this run that bear on a paragraph; not every kind of run has each."""
    return [result for result in results if result.id in paragraph.controls]


def support(paragraph: Paragraph, results: Sequence[ControlResult], *, by_its_days: bool = True) -> str:
    """What this record is worth for a paragraph, in words.

    A FAIL speaks against it. A control that was not decided or not checked leaves a part open. Unless the run was
    judged `by_its_days`, those of the framework, nothing is known of a minimum, and a lock may end too early.
    """
    words = [result.word for result in own(paragraph, results)]
    if not paragraph.read:
        return NOT_READ
    if not paragraph.controls:
        return "Not covered"
    if set(words) <= {"not_checked"}:
        return NOT_IN_THIS_RUN
    if "FAIL" in words or "PASS" not in words:
        return "Does not support"
    if "minimum" in paragraph.controls and not by_its_days:
        return NOT_IN_THIS_RUN
    return "Supports" if paragraph.whole and by_its_days and set(words) == {"PASS"} else "Supports in part"


def _load(name: str) -> Framework:
    text = files("opslib.audit").joinpath("framework_files", f"{name}.yaml").read_text("utf-8")
    values: dict[str, Any] = read_yaml(text, f"framework {name}")[0]
    return Framework.model_validate(values)
