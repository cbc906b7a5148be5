"""Many learners on one PostgreSQL at once: each with a role and a schema, none in another's way.

CARLIB_TEST_LEARNERS sets how many, which takes about 3 s each on two cores:

    CARLIB_TEST_LEARNERS=40 .venv/bin/python -m pytest tests/course/test_class_at_once.py
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from roles import run
from ruamel.yaml import YAML
from sqlalchemy import create_engine, text

from carlib import connect, generate_cars
from course.cli import main
from course.lessons import find_lessons
from servers.postgres import EmbeddedServer, temporary_server

HELPERS = Path(__file__).parents[1] / "helpers"

LEARNERS = int(os.environ.get("CARLIB_TEST_LEARNERS", "8"))
LESSONS = [lesson for lesson in find_lessons() if lesson.part == "1_core" and lesson.number <= "04"]
CONNECTIONS_EACH = 5

pytestmark = pytest.mark.skipif(os.name == "nt", reason="forks processes, as POSIX can")


@pytest.fixture(scope="module")
def shared() -> Iterator[EmbeddedServer]:
    """A server with the connections that a class needs, by its settings as an owner makes them."""
    with temporary_server(tcp=True) as server:
        engine = create_engine(server.url)
        run(engine, f"ALTER SYSTEM SET max_connections = {20 + CONNECTIONS_EACH * LEARNERS}")
        engine.dispose()
        server.close()
        server.start()
        yield server


@pytest.fixture(scope="module")
def learners(shared: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    """The class as `carlib roles` made it: name, seed, rows, schema and database_url of each."""
    folder = tmp_path_factory.mktemp("class")
    lines = [f"  - {{name: Learner {n:02}, seed: {n}, rows: {100 + n}}}" for n in range(LEARNERS)]
    (folder / "class.yml").write_text("learners:\n" + "\n".join(lines), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        url = shared.url.render_as_string(hide_password=False)
        patch.setenv("CARLIB_DATABASE_URL", url)
        assert main(["roles", f"{folder / 'class.yml'}", "--output", f"{folder / 'made.yml'}"]) == 0
    content = YAML(typ="safe", pure=True).load((folder / "made.yml").read_text(encoding="utf-8"))
    return content["learners"]


@pytest.fixture(scope="module")
def found(learners: list[dict], tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    """What each learner's process wrote down, by schema."""
    results = tmp_path_factory.mktemp("results")
    task = {
        "learners": [{**one, "url": one["database_url"]} for one in learners],
        "lessons": [str(lesson.path) for lesson in LESSONS],
        "results": str(results),
    }
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "ignore",
            str(HELPERS / "class_process.py"),
        ],
        input=json.dumps(task),
        env=os.environ | {"MPLBACKEND": "agg", "TQDM_DISABLE": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr
    assert len(list(results.iterdir())) == LEARNERS, done.stderr
    return {path.name: json.loads(path.read_text(encoding="utf-8")) for path in results.iterdir()}


def test_every_lesson_of_everyone_ran_to_its_end(found: dict[str, dict]) -> None:
    """The lessons assert their own results; the first that failed is shown."""
    errors = [f"{schema}: {one['error']}" for schema, one in found.items() if "error" in one]
    assert not errors, f"{len(errors)} failed; the first: {errors[0]}"
    cells = {
        lesson.name: sum(cell.cell_type == "code" for cell in lesson.notebook.cells)
        for lesson in LESSONS
    }
    assert len(LESSONS) == 4
    for schema, one in found.items():
        assert {name: ran["cells"] for name, ran in one.items()} == cells
        assert {ran["schema"] for ran in one.values()} == {schema}


def test_everyones_cars_are_the_ones_of_their_seed(
    found: dict[str, dict], learners: list[dict]
) -> None:
    """In the lessons that end with the generated cars, made here anew: no car of another."""
    checksums = set()
    for one in learners:
        vins = sorted(generate_cars(one["rows"], seed=one["seed"])["vin"])
        checksum = hashlib.sha256("\n".join(vins).encode()).hexdigest()
        for name in ("02_initial_load", "04_history"):
            assert found[one["schema"]][name]["cars"] == one["rows"]
            assert found[one["schema"]][name]["vins"] == checksum
        checksums.add(checksum)
    assert len(checksums) == LEARNERS


def test_everyones_schema_is_their_own_and_complete(
    found: dict[str, dict], learners: list[dict], shared: EmbeddedServer
) -> None:
    engine = connect(shared.url, schema="public")
    with engine.connect() as connection:
        owners = connection.execute(
            text(
                "SELECT n.nspname, array_agg(DISTINCT pg_get_userbyid(c.relowner)::text)"
                " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                " WHERE n.nspname LIKE 'learner%' GROUP BY n.nspname"
            )
        ).all()
        assert dict(owners) == {one["schema"]: [one["schema"]] for one in learners}
        for one in learners:
            cars = f'SELECT count(*) FROM "{one["schema"]}".car_info'
            assert connection.scalar(text(cars)) == one["rows"]
    engine.dispose()
