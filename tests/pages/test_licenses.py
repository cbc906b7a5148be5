"""The licenses, how to cite the workbook, and the changelog: complete, and of one version."""

import hashlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CITATION = YAML(typ="safe", pure=True).load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
# Creative Commons' own legalcode.txt, which nobody may change and still call CC BY 4.0.
CC_BY_4_0 = "fd3a263fe19ed8faa9068b43abaebafc02c77897b0c6fc09abc04bb592e5f16e"


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_code_is_under_the_mit_license() -> None:
    text = read("LICENSE")
    assert text.startswith("MIT License\n\nCopyright (c) ")
    assert re.search(r"WITHOUT WARRANTY OF ANY KIND", text)
    assert PROJECT["license"] == CITATION["license"] == "MIT"
    assert PROJECT["license-files"] == ["LICENSE"], "carlib is code alone"


def test_the_prose_is_under_cc_by_word_for_word() -> None:
    assert hashlib.sha256(read("LICENSE-prose").encode()).hexdigest() == CC_BY_4_0


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_a_reader_is_told_which_license_holds_for_what(page: str) -> None:
    text = " ".join(read(page).split())
    assert re.search(r"[Cc]ode\b.{0,80}\[MIT license\]\(LICENSE\)", text)
    assert re.search(r"[Pp]rose\b.{0,80}\[CC BY 4\.0\]\(LICENSE-prose\)", text)


def test_the_citation_is_valid_by_its_schema() -> None:
    command = [sys.executable, "-m", "check_jsonschema"]
    command += ["--builtin-schema", "vendor.citation-file-format", str(ROOT / "CITATION.cff")]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_the_citation_names_this_workbook() -> None:
    assert CITATION["title"] == read("README.md").splitlines()[0].removeprefix("# ")
    (author,) = CITATION["authors"]
    assert f"Copyright (c) 2026 {author['name']}\n" in read("LICENSE")
    assert CITATION["version"] == PROJECT["version"]


def test_the_changelog_keeps_its_form() -> None:
    """A release gets its date, newest first; what comes next stands above it."""
    versions = re.findall(r"(?m)^## (.+)$", CHANGELOG)
    unreleased, dates = versions[0] == "[Unreleased]", []
    for heading in versions[unreleased:]:
        found = re.fullmatch(r"\[\d+\.\d+\.\d+\] - (\d{4}-\d\d-\d\d)", heading)
        assert found, f"expected '[1.2.3] - 2026-01-31', found {heading!r}"
        dates.append(found[1])
    assert dates == sorted(dates, reverse=True)
    kinds = set(re.findall(r"(?m)^### (.+)$", CHANGELOG))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_changelog_knows_the_version() -> None:
    newest = re.split(r"(?m)^## ", CHANGELOG)[1]
    assert PROJECT["version"] in newest
