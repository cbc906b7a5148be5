"""Every public name is documented: a docstring that says what it takes, and a place to meet it."""

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

import carlib
from carlib import errors
from course.lessons import find_lessons

ROOT = Path(carlib.__file__).parents[1]
README = (ROOT / "carlib" / "README.md").read_text(encoding="utf-8")
LESSONS = "\n".join(
    cell.source for lesson in find_lessons() for cell in nbformat.read(lesson.path, 4).cells
)
FUNCTIONS = [name for name in carlib.__all__ if inspect.isfunction(getattr(carlib, name))]
ERRORS = [
    name
    for name, value in vars(errors).items()
    if inspect.isclass(value)
    and issubclass(value, Exception)
    and value.__module__ == "carlib.errors"
]


@pytest.mark.parametrize("name", carlib.__all__)
def test_a_name_has_a_docstring_and_a_place(name: str) -> None:
    assert inspect.getdoc(getattr(carlib, name))
    assert f"`{name}`" in README or re.search(rf"\b{name}\b", LESSONS)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_says_what_it_takes_and_gives(name: str) -> None:
    function = getattr(carlib, name)
    text = inspect.getdoc(function)
    for argument in inspect.signature(function).parameters:
        assert re.search(rf"^\s+{argument}: ", text, re.MULTILINE), f"{name}: no word on {argument}"
    assert all(p.annotation is not p.empty for p in inspect.signature(function).parameters.values())
    returns = inspect.signature(function).return_annotation
    assert re.search(r"^Returns:", text, re.MULTILINE) or returns is None


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_says_what_it_means(name: str) -> None:
    error = getattr(errors, name)
    assert error.__doc__
    assert issubclass(error, errors.CarlibError | UserWarning)


@pytest.mark.parametrize("path", sorted(Path(__file__).parent.glob("*.py")), ids=lambda p: p.stem)
def test_the_contract_is_tested_by_public_names_alone(path: Path) -> None:
    public = {f"carlib.{name}" for name in carlib.__all__}
    public |= {"carlib.errors", *(f"carlib.errors.{name}" for name in ERRORS)}
    imported = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Constant) and re.match(r"carlib(\.\w+)+$", str(node.value)):
            imported.add(node.value)  # what monkeypatch takes as text
    assert {name for name in imported if name.startswith("carlib.")} <= public


def test_importing_carlib_does_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "import carlib"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
    )
    assert done.stdout == done.stderr == ""
    assert list(tmp_path.iterdir()) == []


def test_the_readme_names_what_there_is() -> None:
    rows = [line.split("|")[1] for line in README.splitlines() if line.startswith("| `")]
    named = re.findall(r"`(\w+)`", " ".join(rows))
    assert sorted(named) == sorted(carlib.__all__)


def test_the_tests_that_the_requirements_name_are_there() -> None:
    requirements = (ROOT / "docs" / "requirements.md").read_text(encoding="utf-8")
    paths = re.findall(r"`(tests/\w+/\w+\.py)`", requirements)
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_cells_that_the_requirements_name_are_there() -> None:
    requirements = (ROOT / "docs" / "requirements.md").read_text(encoding="utf-8")
    ids = {
        path.name[1]: set(re.findall(r'"id": "(code-\d+)"', path.read_text(encoding="utf-8")))
        for path in (ROOT / "notebooks" / "1_core").glob("*.ipynb")
    }
    for cells in re.findall(r"\d: [^;|]*code-[^;|]*", requirements):
        named = set(re.findall(r"code-\d+", cells))
        assert named <= ids[cells[0]], cells
