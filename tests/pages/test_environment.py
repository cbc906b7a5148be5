"""environment.yml, for conda users.

Not checked here, because it takes conda itself: that the environment can be made, and that conda
hands the lock to pip from the folder of this file.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet
from rattler import MatchSpec, Version, VersionSpec
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "environment.yml").read_text(encoding="utf-8")
CONTENT = YAML(typ="safe", pure=True).load(TEXT)
CONDA_PART = [spec for spec in CONTENT["dependencies"] if isinstance(spec, str)]
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_has_a_name_and_a_channel_without_an_address() -> None:
    assert set(CONTENT) == {"name", "channels", "dependencies"}
    assert CONTENT["name"] == "workbook"
    assert CONTENT["channels"] == ["conda-forge"]
    assert "://" not in TEXT


@pytest.mark.parametrize("spec", CONDA_PART)
def test_conda_part_is_valid_match_specs(spec: str) -> None:
    assert MatchSpec(spec, strict=True).name.normalized in ("python", "pip")


def test_python_is_one_that_the_lock_is_for() -> None:
    (spec,) = (spec for spec in CONDA_PART if spec.startswith("python"))
    taken = VersionSpec(MatchSpec(spec, strict=True).version)
    declared = re.findall(r"Python :: (3\.\d+)", PYPROJECT)
    required = SpecifierSet(re.search(r'requires-python = "(.+)"', PYPROJECT)[1])
    for minor in range(8, 20):
        version = f"3.{minor}"
        assert taken.matches(Version(f"{version}.2")) == (version in declared), version
        if version in declared:
            assert required.contains(f"{version}.2")


def test_pip_part_is_the_lock() -> None:
    (pip_part,) = (part["pip"] for part in CONTENT["dependencies"] if isinstance(part, dict))
    assert pip_part == ["-r requirements.lock"]
    assert (ROOT / "requirements.lock").is_file()
    assert "pip" in CONDA_PART, "conda asks for pip by name where a pip part follows"


def test_says_how_to_add_carlib() -> None:
    """A line of its own: pip refuses a folder in a list whose hashes it has to check."""
    assert "\n#   pip install --no-deps --no-build-isolation -e .\n" in TEXT
