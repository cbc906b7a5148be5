"""requirements.lock against pyproject.toml.

Which wheels the hashes belong to can't be seen offline: one test asks the package index that uv is
set to, and is skipped where none answers. That the packages work on a system is seen only there.
"""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
METADATA = tomllib.loads(PYPROJECT)
DIRECT = [
    Requirement(line)
    for line in METADATA["project"]["dependencies"] + METADATA["dependency-groups"]["dev"]
]
PYTHONS = re.findall(r"Python :: (3\.\d+)", PYPROJECT)
SYSTEMS = {
    "Linux": ("x86_64-unknown-linux-gnu", {"sys_platform": "linux", "os_name": "posix"}),
    "Linux on ARM": ("aarch64-unknown-linux-gnu", {"sys_platform": "linux", "os_name": "posix"}),
    "macOS": ("aarch64-apple-darwin", {"sys_platform": "darwin", "os_name": "posix"}),
    "Windows": ("x86_64-pc-windows-msvc", {"sys_platform": "win32", "os_name": "nt"}),
}


def locked() -> dict[str, list[tuple[Requirement, list[str]]]]:
    """Every entry of the lock by package: the pin with its marker, and its hashes."""
    entries = defaultdict(list)
    for entry in re.split(r"\n(?=\S)", re.sub(r"(?m)^ *#.*\n?", "", LOCK).strip()):
        pin, *hashes = re.split(r"\s*\\\n\s*", entry.strip())
        requirement = Requirement(pin)
        entries[canonicalize_name(requirement.name)].append((requirement, hashes))
    return entries


LOCKED = locked()


def pin_on(package: str, system: str, python: str) -> list[str]:
    """The versions of a package that the lock installs on a system and a Python."""
    where = {
        **SYSTEMS[system][1],
        "python_version": python,
        "python_full_version": f"{python}.9",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    return [
        next(iter(requirement.specifier)).version
        for requirement, _ in LOCKED[canonicalize_name(package)]
        if requirement.marker is None or requirement.marker.evaluate(where)
    ]


def test_every_entry_is_one_version_with_hashes() -> None:
    assert len(LOCKED) > 100
    for entries in LOCKED.values():
        for requirement, hashes in entries:
            assert [specifier.operator for specifier in requirement.specifier] == ["=="]
            assert hashes, f"{requirement} has no hash"
            assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", one) for one in hashes)


def test_names_no_address() -> None:
    assert "://" not in LOCK
    assert "--index" not in LOCK
    assert "--find-links" not in LOCK


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("system", SYSTEMS)
def test_satisfies_the_ranges_of_pyproject(system: str, python: str) -> None:
    for requirement in DIRECT:
        versions = pin_on(requirement.name, system, python)
        assert len(versions) == 1, f"{requirement.name}: {versions}, run `make lock`"
        assert requirement.specifier.contains(versions[0]), f"{requirement}: {versions}"


def test_this_environment_is_the_lock() -> None:
    for package, entries in LOCKED.items():
        here = [one for one, _ in entries if one.marker is None or one.marker.evaluate()]
        assert len(here) <= 1, f"two versions of {package} at once"
        for requirement in here:
            installed = importlib.metadata.version(requirement.name)
            assert requirement.specifier.contains(installed), f"{requirement}, not {installed}"


def skip_if_offline(message: str) -> None:
    if "Failed to fetch" in message or "network was disabled" in message:
        pytest.skip("no package index answers here")


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("system", SYSTEMS)
def test_has_wheels_for_every_system(system: str, python: str, tmp_path: Path) -> None:
    answer = subprocess.run(
        [
            *(Path(sys.executable).with_name("uv"), "pip", "install", "--dry-run"),
            *("--require-hashes", "--no-deps", "--only-binary", ":all:"),
            *("--python-platform", SYSTEMS[system][0], "--python-version", python),
            *("--target", tmp_path, "-r", ROOT / "requirements.lock"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    skip_if_offline(answer.stderr)
    assert answer.returncode == 0, answer.stderr
    assert re.search(r"Would install \d{3} packages", answer.stderr)


def test_resolving_again_changes_nothing(tmp_path: Path) -> None:
    """What `make lock` does, from a copy: needs an index, or else uv's cache of one."""
    lock = tmp_path / "requirements.lock"
    lock.write_text(LOCK, encoding="utf-8")
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8")
    options = re.search(r"uv pip compile (.+) -o requirements.lock", recipe)[1]
    answer = subprocess.run(
        f'"{Path(sys.executable).with_name("uv")}" pip compile {options} -o "{lock}"',
        shell=True,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    skip_if_offline(answer.stderr)
    assert answer.returncode == 0, answer.stderr
    assert lock.read_text(encoding="utf-8") == LOCK, "run `make lock`"
