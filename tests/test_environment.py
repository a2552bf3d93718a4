"""Three files name the requirements; they must not drift apart."""

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PYPROJECT = (ROOT / "pyproject.toml").read_text()
ENVIRONMENT = (ROOT / "environment.yml").read_text()
CONSTRAINTS = (ROOT / "constraints.txt").read_text()


def declared(pyproject: str) -> list[str]:
    project = tomllib.loads(pyproject)["project"]
    return [
        f"python{project['requires-python']}",
        *project["dependencies"],
        *project["optional-dependencies"]["test"],
    ]


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


def faults(pyproject: str, constraints: str) -> list[str]:
    """Lines that are no exact pin, and direct requirements left without a pin that satisfies them."""
    lines = [line for line in constraints.splitlines() if not line.startswith("#")]
    found = [f"not a pin: {line}" for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[^\s;@/]+", line)]
    pins = {canonicalize_name(name): version for name, _, version in (line.partition("==") for line in lines)}
    for requirement in map(Requirement, declared(pyproject)[1:]):
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


def test_constraints_pin_every_direct_requirement() -> None:
    assert faults(PYPROJECT, CONSTRAINTS) == []


def test_an_index_a_url_and_a_wrong_or_missing_pin_are_reported() -> None:
    assert faults(PYPROJECT, "--extra-index-url https://example.com/simple\n" + CONSTRAINTS)
    assert faults(PYPROJECT, CONSTRAINTS + "opslib @ file:///tmp/opslib\n")
    assert faults(PYPROJECT, re.sub(r"(?m)^httpx==.*$", "httpx==0.27.0", CONSTRAINTS))
    assert faults(PYPROJECT, re.sub(r"(?m)^httpx==.*\n", "", CONSTRAINTS))
