"""Writes small lessons for tests of what runs lessons: a few cells instead of half an hour."""

from collections.abc import Sequence
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

PARAMETERS = 'schema = "tiny"\nrows = 10\nseed = 0'
CONNECT = "from carlib.connection import connect\n\nengine = connect(schema=schema, fresh=True)"
# What a lesson does with its parameters and its schema, in three cells.
BODY = (
    CONNECT,
    'with engine.begin() as db:\n    db.exec_driver_sql("CREATE TABLE car (id int)")\n'
    '    db.exec_driver_sql("INSERT INTO car SELECT generate_series(1, %s)", (rows,))',
    'with engine.begin() as db:\n    n = db.exec_driver_sql("SELECT count(*) FROM car").scalar()\n'
    'print(f"{n} cars")',
)


def write_lesson(
    notebooks: Path,
    name: str,
    body: Sequence[str | nbformat.NotebookNode] = BODY,
    *,
    part: str = "1_tiny",
    parameters: str = PARAMETERS,
    opening: str = "We store a few cars. Then we count them.",
) -> Path:
    """Write an unexecuted notebook `notebooks/part/name.ipynb`; returns its path.

    Its cells: title and opening, the parameters, then `body` (code, or whole cells).
    """
    cells = [
        new_markdown_cell(f"# Lesson {name}\n\n{opening}"),
        new_code_cell(parameters, metadata={"tags": ["parameters"]}),
        *(new_code_cell(cell) if isinstance(cell, str) else cell for cell in body),
    ]
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = new_notebook(cells=cells, metadata={"kernelspec": kernel})
    path = notebooks / part / f"{name}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    return path
