"""Three files name the requirements; they must not drift apart."""

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PYPROJECT = (ROOT / "pyproject.toml").read_text()
ENVIRONMENT = (ROOT / "environment.yml").read_text()
LOCKS = {name: (ROOT / name).read_text() for name in ("constraints.txt", "constraints-test.txt")}
_PIN = re.compile(r"([A-Za-z0-9._-]+)==([^\s;@/]+)( ; [^\\@/]+)?((?: \\\n    --hash=sha256:[0-9a-f]{64})+)")


def declared(pyproject: str, *, test: bool = True) -> list[str]:
    project = tomllib.loads(pyproject)["project"]
    tools = project["optional-dependencies"]["test"] if test else []
    return [f"python{project['requires-python']}", *project["dependencies"], *tools]


def bounds(lines: Iterable[str]) -> dict[str, str]:
    """Canonical name (with extras) to version bounds."""
    requirements = [Requirement(line) for line in lines]
    return {
        canonicalize_name(r.name) + "".join(f"[{extra}]" for extra in sorted(r.extras)): str(r.specifier)
        for r in requirements
    }


def drift(pyproject: str, environment: str) -> list[str]:
    """What environment.yml says differently from pyproject.toml; `pip` and `-e .` are its own."""
    entries = yaml.safe_load(environment)["dependencies"]
    conda = [entry for entry in entries if isinstance(entry, str) and entry != "pip"]
    pip = [line for entry in entries if isinstance(entry, dict) for line in entry["pip"] if line != "-e ."]
    ours, theirs = bounds(declared(pyproject)), bounds(conda + pip)
    return [
        f"{name}: pyproject.toml {ours.get(name)}, environment.yml {theirs.get(name)}"
        for name in sorted(ours.keys() | theirs.keys())
        if ours.get(name) != theirs.get(name)
    ]


def faults(pyproject: str, lock: str, *, test: bool = True) -> list[str]:
    """Entries that are not an exact version with its hashes, and requirements, the build backend's included, that no
    entry satisfies."""
    entries = [(entry, _PIN.fullmatch(entry)) for entry in re.split(r"\n(?! )", lock.strip())]
    found = [f"not locked: {entry}" for entry, pin in entries if not pin]
    pins = {canonicalize_name(pin[1]): pin[2] for _, pin in entries if pin}
    backend = tomllib.loads(pyproject)["build-system"]["requires"]
    for requirement in map(Requirement, [*backend, *declared(pyproject, test=test)[1:]]):
        version = pins.get(canonicalize_name(requirement.name))
        if version is None or version not in requirement.specifier:
            found.append(f"{requirement} is not met by {version}")
    return found


def test_environment_yml_says_the_same_as_pyproject() -> None:
    assert drift(PYPROJECT, ENVIRONMENT) == []


def test_a_changed_bound_and_a_missing_name_are_reported() -> None:
    changed = ENVIRONMENT.replace("ipykernel>=7.4", "ipykernel>=7.0").replace("  - respx>=0.22\n", "")
    assert drift(PYPROJECT, changed) == [
        "ipykernel: pyproject.toml >=7.4, environment.yml >=7.0",
        "respx: pyproject.toml >=0.22, environment.yml None",
    ]


def test_every_requirement_is_locked() -> None:
    assert faults(PYPROJECT, LOCKS["constraints-test.txt"]) == []
    assert faults(PYPROJECT, LOCKS["constraints.txt"], test=False) == []


def test_what_spark_needs_beside_the_other_locks_is_locked() -> None:
    """With what builds it, since an index has PySpark as source only."""
    entries = re.split(r"\n(?! )", (ROOT / "constraints-spark.txt").read_text().strip())
    pins = {pin[1]: pin[2] for pin in map(_PIN.fullmatch, entries) if pin}
    assert (len(entries), pins.keys()) == (3, {"py4j", "pyspark", "setuptools"})
    (extra,) = map(Requirement, tomllib.loads(PYPROJECT)["project"]["optional-dependencies"]["spark"])
    assert pins[extra.name] in extra.specifier


def test_both_locks_have_the_same_versions() -> None:
    assert {pin[0] for pin in _PIN.finditer(LOCKS["constraints.txt"])} <= {
        pin[0] for pin in _PIN.finditer(LOCKS["constraints-test.txt"])
    }


@pytest.mark.parametrize(
    ("pattern", "instead"),
    [
        (r"\A", "--extra-index-url https://example.com/simple\n"),
        (r"\Z", "opslib @ file:///tmp/opslib\n"),
        (r"(?m)^httpx==\S+", "httpx==0.27.0"),
        (r"(?m)^httpx==.*\n( .*\n)+", ""),
        (r"(?m)^httpx==(.*) \\\n( .*\n)+", r"httpx==\1\n"),
        (r"(?m)^hatchling==\S+", "hatchling==0.1"),
    ],
    ids=["index", "url", "wrong version", "missing", "without hashes", "another build backend"],
)
def test_a_spoilt_lock_is_reported(pattern: str, instead: str) -> None:
    lock = LOCKS["constraints-test.txt"]
    spoilt = re.sub(pattern, instead, lock, count=1)
    assert spoilt != lock
    assert faults(PYPROJECT, spoilt)
