"""The locks in requirements/ against pyproject.toml.

Which wheels the hashes belong to can't be seen offline: the slow tests ask the package index that
uv is set to, and are skipped where none answers.
"""

import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from markdown_pages import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

UV = Path(sys.executable).with_name("uv")
LOCKS = {name: ROOT / "requirements" / f"{name}.txt" for name in ("core", "dev")}
METADATA = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PYTHONS = [line[-4:] for line in METADATA["project"]["classifiers"] if " :: 3." in line]
GROUPS = METADATA["dependency-groups"]
DIRECT = {
    "core": METADATA["project"]["dependencies"] + GROUPS["install"],
    "dev": GROUPS["dev"],
}
SYSTEMS = {
    "x86_64-unknown-linux-gnu": {"sys_platform": "linux", "os_name": "posix"},
    "aarch64-unknown-linux-gnu": {"sys_platform": "linux", "os_name": "posix"},
    "aarch64-apple-darwin": {"sys_platform": "darwin", "os_name": "posix"},
    "x86_64-pc-windows-msvc": {"sys_platform": "win32", "os_name": "nt"},
}
each_lock = pytest.mark.parametrize("name", LOCKS)
each_system = pytest.mark.parametrize("system", SYSTEMS)
each_python = pytest.mark.parametrize("python", PYTHONS)


def pins(name: str) -> list[tuple[Requirement, list[str]]]:
    """Every entry of a lock: the pin with its marker, and its hashes."""
    text = re.sub(r"(?m)^ *#.*\n?", "", LOCKS[name].read_text(encoding="utf-8")).strip()
    entries = [re.split(r"\s*\\\n\s*", entry.strip()) for entry in re.split(r"\n(?=\S)", text)]
    return [(Requirement(pin), hashes) for pin, *hashes in entries]


@each_lock
def test_every_entry_is_one_version_with_hashes_and_no_address(name: str) -> None:
    for requirement, hashes in pins(name):
        assert [specifier.operator for specifier in requirement.specifier] == ["=="]
        assert hashes, f"{requirement} has no hash"
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", digest) for digest in hashes)
    assert "://" not in LOCKS[name].read_text(encoding="utf-8")


@each_system
@each_python
def test_the_ranges_of_pyproject_are_met_by_one_version_each(system: str, python: str) -> None:
    where = {**SYSTEMS[system], "python_version": python, "python_full_version": f"{python}.9"}
    where |= {"implementation_name": "cpython", "platform_python_implementation": "CPython"}
    versions: dict[str, set[str]] = {}
    for requirement, _ in pins("core") + pins("dev"):
        if requirement.marker is None or requirement.marker.evaluate(where):
            pinned = next(iter(requirement.specifier)).version
            versions.setdefault(canonicalize_name(requirement.name), set()).add(pinned)
    assert {name: several for name, several in versions.items() if len(several) > 1} == {}
    for requirement in map(Requirement, DIRECT["core"] + DIRECT["dev"]):
        (version,) = versions[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement}: {version}, `make lock`"


@each_lock
def test_this_environment_is_the_locks(name: str) -> None:
    for requirement, _ in pins(name):
        if requirement.marker is None or requirement.marker.evaluate():
            installed = importlib.metadata.version(requirement.name)
            assert requirement.specifier.contains(installed), f"{requirement}, not {installed}"


def skip_if_offline(message: str) -> None:
    if "Failed to fetch" in message or "network was disabled" in message:
        pytest.skip("no package index answers here")


@pytest.mark.slow
@each_lock
@each_system
@each_python
def test_there_are_wheels_for_every_system(
    name: str, system: str, python: str, tmp_path: Path
) -> None:
    options = ("--dry-run", "--require-hashes", "--no-deps", "--only-binary", ":all:")
    platform = ("--python-platform", system, "--python-version", python)
    answer = subprocess.run(
        [UV, "pip", "install", *options, *platform, "--target", tmp_path, "-r", LOCKS[name]],
        capture_output=True,
        text=True,
    )
    skip_if_offline(answer.stderr)
    assert answer.returncode == 0, answer.stderr
    assert re.search(r"Would install \d{2,} packages", answer.stderr)


@pytest.mark.slow
def test_make_lock_changes_nothing() -> None:
    before = {name: path.read_bytes() for name, path in LOCKS.items()}
    try:
        clean = {name: value for name, value in os.environ.items() if "MAKE" not in name}
        clean.pop("ARGS", None)  # of the make that runs the tests
        answer = subprocess.run(
            ["make", "lock"], cwd=ROOT, env=clean, capture_output=True, text=True
        )
        skip_if_offline(answer.stderr)
        assert answer.returncode == 0, answer.stderr
        assert {name: path.read_bytes() for name, path in LOCKS.items()} == before, "`make lock`"
    finally:
        for name, path in LOCKS.items():
            path.write_bytes(before[name])
