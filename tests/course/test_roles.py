"""A shared server: what `carlib roles` makes, and what a learner's role can do and can not."""

from __future__ import annotations

import contextlib
import re
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg2
import pytest
from psycopg2 import errorcodes
from roles import run
from ruamel.yaml import YAML
from server_probes import eventually
from sqlalchemy import URL, Engine, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError

import carlib
from carlib import connect, create_tables, initial_load, sample_cars, sample_delta
from carlib.errors import CarlibError, ConnectionFailed
from course.cli import main
from course.lessons import find_lessons
from servers.postgres import temporary_server
from servers.postgres.programs import binaries

CLASS = """\
# The class of 2024.
learners:
  - name: Ada  # sits at the window
    seed: 1
  - name: Bea
  - {name: Guest, database_url: postgresql://guest@db.example.org/course}
"""
SQL = Path(carlib.__file__).parent / "course"


@pytest.fixture(scope="module")
def admin() -> Iterator[Engine]:
    """A superuser of a database `course` that is to be shared."""
    with temporary_server(tcp=True) as server:
        owner = create_engine(server.url)
        run(owner, "CREATE DATABASE course")
        engine = create_engine(server.url.set(database="course"))
        yield engine
        engine.dispose()
        owner.dispose()


def roles(admin: Engine, *words: object) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CARLIB_DATABASE_URL", admin.url.render_as_string(hide_password=False))
        return main(["roles", *map(str, words)])


@pytest.fixture(scope="module")
def made(admin: Engine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that `carlib roles` wrote for the class."""
    folder = tmp_path_factory.mktemp("roles")
    (folder / "class.yml").write_text(CLASS, encoding="utf-8")
    assert roles(admin, folder / "class.yml", "--output", folder / "made.yml") == 0
    return folder / "made.yml"


def entries(path: Path) -> dict[str, dict]:
    content = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    return {entry["name"]: entry for entry in content["learners"]}


@contextlib.contextmanager
def _working(url: str, schema: str) -> Iterator[Engine]:
    """A learner with some cars in a schema."""
    engine = connect(url, schema=schema, fresh=True)
    create_tables(engine)
    initial_load(engine, sample_cars())
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def ada(made: Path) -> Iterator[Engine]:
    with _working(entries(made)["Ada"]["database_url"], "ada") as engine:
        run(engine, "CREATE TABLE note (line text)")
        yield engine


@pytest.fixture(scope="module")
def bea(made: Path) -> Iterator[Engine]:
    with _working(entries(made)["Bea"]["database_url"], "bea") as engine:
        yield engine


def test_the_file_has_each_ones_url_and_is_private(made: Path, admin: Engine) -> None:
    written = made.read_text(encoding="utf-8")
    assert written.startswith("# The class of 2024.\n")
    assert "# sits at the window" in written
    found = entries(made)
    ada = make_url(found["Ada"]["database_url"])
    assert (ada.username, ada.host, ada.port, ada.database) == (
        *("ada", admin.url.host, admin.url.port, "course"),
    )
    assert len(ada.password) >= 20
    assert ada.password not in found["Bea"]["database_url"]
    assert (found["Ada"]["schema"], found["Ada"]["seed"]) == ("ada", 1)
    assert found["Guest"] == {
        "name": "Guest",
        "database_url": "postgresql://guest@db.example.org/course",
    }
    if sys.platform != "win32":
        assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert not list(made.parent.glob(".*"))


def test_once_more_makes_roles_for_those_who_came_later(
    made: Path, admin: Engine, tmp_path: Path
) -> None:
    later = tmp_path / "later.yml"
    later.write_text(f"{made.read_text(encoding='utf-8')}  - name: Cleo\n", encoding="utf-8")
    assert roles(admin, later, "--output", later) == 0
    assert entries(later)["Ada"] == entries(made)["Ada"]
    url = entries(later)["Cleo"]["database_url"]
    connect(url, schema="cleo", fresh=True).dispose()
    # Her URL was lost: she gets a new password, and her schema stays.
    lost = tmp_path / "lost.yml"
    lost.write_text("learners: [name: Cleo]\n", encoding="utf-8")
    assert roles(admin, lost, "--output", tmp_path / "found.yml") == 0
    with pytest.raises(ConnectionFailed, match="refused"):
        connect(url, schema="cleo")
    connect(entries(tmp_path / "found.yml")["Cleo"]["database_url"], schema="cleo").dispose()


@pytest.mark.parametrize("name", ["postgres", "learners"])
def test_a_role_that_is_no_learners_is_left_alone(
    tmp_path: Path,
    admin: Engine,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    path = tmp_path / "class.yml"
    path.write_text(f"learners:\n  - name: Dora\n  - name: {name}\n", encoding="utf-8")
    assert roles(admin, path, "--output", tmp_path / "made.yml") == 1
    assert "found another one of that name" in capsys.readouterr().err
    assert [one.name for one in tmp_path.iterdir()] == ["class.yml"]
    with admin.connect() as connection:
        assert connection.scalar(text("SELECT to_regrole('dora')")) is None


def test_who_may_not_make_roles_is_told(
    tmp_path: Path, made: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "class.yml"
    path.write_text("learners:\n  - name: Dora\n", encoding="utf-8")
    monkeypatch.delenv("CARLIB_DATABASE_URL", raising=False)
    words = ["roles", str(path), "--output", str(tmp_path / "made.yml")]
    assert main(words) == 2
    assert "Expected the URL of a server" in capsys.readouterr().err
    # Ada connects to the server's other database, whose public schema she may use.
    url = make_url(entries(made)["Ada"]["database_url"]).set(database="postgres")
    hers = url.render_as_string(hide_password=False)
    assert main([*words, "--database-url", hers]) == 1
    said = capsys.readouterr().err
    assert "Expected a superuser of the database postgres" in said
    assert "Nothing was made" in said
    assert url.password not in said
    assert not (tmp_path / "made.yml").exists()
    assert main(["roles", str(path), "--output", str(made)]) == 2
    assert "is there" in capsys.readouterr().err


def test_a_learner_can_do_what_the_lessons_do(ada: Engine, bea: Engine, tmp_path: Path) -> None:
    """The lessons themselves are run by such roles in test_class_at_once.py."""
    carlib.delta_load(ada, sample_delta())
    for engine, cars in ((ada, 3), (bea, 2)):
        with engine.begin() as connection:
            assert connection.scalar(text("SELECT count(*) FROM car_info")) == cars
            # As lesson 6 does it.
            connection.execute(text("CREATE SCHEMA IF NOT EXISTS extensions"))
            connection.execute(text("CREATE EXTENSION IF NOT EXISTS pgstattuple SCHEMA extensions"))
            counted = text("SELECT tuple_count FROM extensions.pgstattuple('car_info')")
            assert connection.scalar(counted) == cars
    store = carlib.DataFrameStore(ada)
    store.put("cars", sample_cars())
    assert store.get("cars").equals(sample_cars())
    other = connect(ada.url, schema="ada_02", fresh=True)
    assert create_tables(other)
    other.dispose()


# What a learner tries on another's schema, on what all share, and on the server.
REFUSED = {
    "read": "SELECT * FROM bea.car_info",
    "count": "SELECT * FROM extensions.pgstattuple('bea.car_info')",
    "count by number": (
        "SELECT extensions.pgstattuple(c.oid::regclass) FROM pg_class c"
        " WHERE relname = 'car_info' AND relnamespace::regnamespace::text = 'bea'"
    ),
    "read by COPY": "COPY bea.car_info TO STDOUT",
    "change": "UPDATE bea.car_info SET price = 1",
    "delete": "DELETE FROM bea.car_info",
    "insert": "INSERT INTO bea.car_brand (name) VALUES ('x')",
    "truncate": "TRUNCATE bea.car_info",
    "lock": "DO $$ BEGIN LOCK TABLE bea.car_info; END $$",
    "refer to": "CREATE TABLE ada.spy (id uuid REFERENCES bea.car_info)",
    "create in": "CREATE TABLE bea.mine (id int)",
    "drop a table of": "DROP TABLE bea.car_info",
    "alter a table of": "ALTER TABLE bea.car_info ADD mine int",
    "drop": "DROP SCHEMA bea CASCADE",
    "rename": "ALTER SCHEMA bea RENAME TO mine",
    "grant oneself": "GRANT USAGE ON SCHEMA bea TO ada",
    "take over": "ALTER SCHEMA bea OWNER TO ada",
    "become another": "SET ROLE bea",
    "become the group": "SET ROLE learners",
    "become the owner": "SET ROLE postgres",
    "become another for good": "SET SESSION AUTHORIZATION bea",
    "give away": "CREATE SCHEMA ours AUTHORIZATION learners",
    "create in public": "CREATE TABLE public.mine (id int)",
    "use public": "SELECT * FROM public.note",
    "drop public": "DROP SCHEMA public CASCADE",
    "create in extensions": "CREATE TABLE extensions.mine (id int)",
    "drop an extension": "DROP EXTENSION btree_gist CASCADE",
    "drop the extensions": "DROP SCHEMA extensions CASCADE",
    "an extension that reads files": "CREATE EXTENSION file_fdw",
    "make a role": "CREATE ROLE mine",
    "change another's password": "ALTER ROLE bea PASSWORD 'mine'",
    "lift one's limit": "ALTER ROLE ada CONNECTION LIMIT 1000",
    "become a superuser": "ALTER ROLE ada SUPERUSER",
    "admit to the group": "GRANT learners TO bea",
    "drop a role": "DROP ROLE bea",
    "make a database": "CREATE DATABASE mine",
    "drop the database": "DROP DATABASE course",
    "change the server": "ALTER SYSTEM SET max_connections = 5",
    "read a file": "COPY ada.note FROM '/etc/passwd'",
    "write a file": "COPY ada.note TO '/tmp/of_a_learner'",
    "run a program": "COPY ada.note FROM PROGRAM 'id'",
    "read a file by function": "SELECT pg_read_file('PG_VERSION')",
    "list a folder": "SELECT pg_ls_dir('.')",
    "import a file": "SELECT lo_import('/etc/passwd')",
    "read passwords": "SELECT rolpassword FROM pg_authid",
    "read statistics": "SELECT * FROM pg_statistic",
    "end another's session": (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'bea'"
    ),
    "a language of one's own": "CREATE FUNCTION ada.f() RETURNS int LANGUAGE c AS 'libc', 'abs'",
}


@pytest.mark.parametrize("statement", REFUSED.values(), ids=REFUSED)
def test_a_learner_can_touch_nothing_else(
    ada: Engine, bea: Engine, admin: Engine, statement: str
) -> None:
    run(admin, "CREATE TABLE IF NOT EXISTS public.note (line text)")
    run(admin, "GRANT SELECT ON public.note TO PUBLIC")
    with bea.connect() as one, one.begin():  # a session to end
        cars = text("SELECT count(*) FROM car_info")
        assert one.scalar(cars) == 2
        with pytest.raises(DBAPIError) as refused:
            run(ada, statement)
        assert refused.value.orig.pgcode == errorcodes.INSUFFICIENT_PRIVILEGE, refused.value
        assert one.scalar(cars) == 2


def test_the_lessons_own_schema_names_are_taken(ada: Engine) -> None:
    for schema in {lesson.parameters["schema"] for lesson in find_lessons()}:
        with pytest.raises(ConnectionFailed, match="Choose another schema"):
            connect(ada.url, schema=schema, fresh=True)


def test_what_another_asks_is_hidden(ada: Engine, bea: Engine) -> None:
    with bea.connect() as asking:
        pid = asking.scalar(text("SELECT pg_backend_pid() AS bea_asks"))
        with ada.connect() as looking:
            activity = text("SELECT query, usename FROM pg_stat_activity WHERE pid = :pid")
            assert looking.execute(activity, {"pid": pid}).one() == (
                "<insufficient privilege>",
                "bea",
            )
            plans = text("SELECT count(*) FROM pg_stats WHERE schemaname = 'bea'")
            assert looking.scalar(plans) == 0


def test_no_learner_takes_all_connections_or_all_time(ada: Engine) -> None:
    with ada.connect() as connection:
        assert connection.scalar(text("SHOW statement_timeout")) == "5min"
        assert connection.scalar(text("SHOW idle_in_transaction_session_timeout")) == "1h"
    ada.dispose()
    url = ada.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with contextlib.ExitStack() as stack:
        for _ in range(10):
            stack.enter_context(contextlib.closing(psycopg2.connect(url)))
        with pytest.raises(psycopg2.OperationalError, match='too many connections for role "ada"'):
            psycopg2.connect(url)


WORK: dict[str, Callable[[Engine, Path], object]] = {
    "connect": lambda engine, _: connect(engine.url, schema="bea", fresh=True).dispose(),
    "create_tables": lambda engine, _: create_tables(engine),
    "initial_load": lambda engine, _: initial_load(engine, sample_cars()),
    "delta_load": lambda engine, _: carlib.delta_load(engine, sample_delta()),
    "update_car": lambda engine, _: carlib.update_car(
        engine, carlib.get_car(engine, vin="ABC123")["car_id"], {"price": 1}
    ),
    "archive_history": lambda engine, folder: carlib.archive_history(
        engine, datetime(2030, 1, 1, tzinfo=UTC), folder
    ),
    "store": lambda engine, _: carlib.DataFrameStore(engine).put("cars", sample_cars()),
}
# What keeps each waiting in Ada's schema; none of it may keep Bea waiting in hers.
HELD = {
    "create_tables": "CREATE TABLE ada.car_info (id int)",
    "initial_load": "LOCK TABLE ada.car_info IN SHARE MODE",
    "delta_load": "LOCK TABLE ada.car_info IN SHARE MODE",
    "update_car": "LOCK TABLE ada.car_info IN SHARE MODE",
    "archive_history": "LOCK TABLE ada.car_info_history",
    "store": "CREATE TABLE ada.dataframe_store (id int)",
}
BEFORE = {
    "create_tables": "DROP TABLE car_info",
    "initial_load": "DELETE FROM car_info",
    "store": "DROP TABLE IF EXISTS dataframe_store, dataframe_store_chunk, dataframe_store_name",
}


@pytest.mark.parametrize("name", HELD)
def test_one_learners_work_keeps_no_other_waiting(
    name: str, made: Path, bea: Engine, admin: Engine, tmp_path: Path
) -> None:
    with _working(entries(made)["Ada"]["database_url"], "ada") as ada:
        if name in BEFORE:
            run(ada, BEFORE[name])
        _work_beside(name, ada, bea, admin, tmp_path)


def _work_beside(name: str, ada: Engine, bea: Engine, admin: Engine, tmp_path: Path) -> None:
    waiting = text(
        "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)"
        " WHERE NOT granted AND usename = 'ada'"
    )
    holding = text(
        "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)"
        " WHERE granted AND usename = 'ada' AND locktype = 'advisory'"
    )

    def work() -> None:
        with contextlib.suppress(CarlibError, DBAPIError):
            WORK[name](ada, tmp_path / "ada")

    with admin.connect() as holder, holder.begin() as held, admin.connect() as watch:
        holder.execute(text(HELD[name]))
        thread = threading.Thread(target=work)
        thread.start()
        try:
            assert eventually(lambda: watch.scalar(waiting) == 1)
            assert watch.scalar(holding) >= 1
            watch.rollback()
            impatient = create_engine(
                bea.url, connect_args={"options": "-c search_path=bea -c lock_timeout=2s"}
            )
            for does in WORK.values():
                does(impatient, tmp_path / "bea")
            impatient.dispose()
            assert watch.scalar(waiting) == 1
        finally:
            held.rollback()
            thread.join(60)
    assert not thread.is_alive()


def _psql(url: URL, *words: str) -> subprocess.CompletedProcess[str]:
    program = binaries() / "psql"
    target = f"host={url.host} port={url.port} user={url.username} dbname={url.database}"
    return subprocess.run(
        [program, "--no-psqlrc", "-v", "ON_ERROR_STOP=1", "-d", target, *words],
        env={"PGPASSWORD": url.password, "PGSSLMODE": "disable"},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_psql_takes_the_files_as_they_are(admin: Engine) -> None:
    run(admin, "CREATE DATABASE by_hand")
    url = admin.url.set(database="by_hand")
    name = """o'Neil "x" """
    for words in (
        ["-f", str(SQL / "shared_server.sql")],
        ["-f", str(SQL / "shared_server.sql")],
        ["-v", f"role={name}", "-v", "password=it's", "-f", str(SQL / "learner_role.sql")],
    ):
        done = _psql(url, *words)
        assert done.returncode == 0, done.stderr
    by_name = url.set(username=name, password="it's")
    engine = connect(by_name, schema=name, fresh=True)
    assert create_tables(engine)
    engine.dispose()


def test_a_role_and_all_that_is_its_own_goes_as_the_page_says(
    made: Path, admin: Engine, tmp_path: Path
) -> None:
    page = (Path(carlib.__file__).parents[1] / "docs" / "instructors.md").read_text("utf-8")
    (shown,) = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    (tmp_path / "one.yml").write_text("learners: [name: Ada Lovelace]\n", encoding="utf-8")
    assert roles(admin, tmp_path / "one.yml", "--output", tmp_path / "two.yml") == 0
    entry = entries(tmp_path / "two.yml")["Ada Lovelace"]
    for schema in (entry["schema"], "her_other"):
        with _working(entry["database_url"], schema):
            pass
    run(admin, shown)
    gone = text(
        "SELECT to_regrole('ada_lovelace'), to_regnamespace('ada_lovelace'),"
        " to_regnamespace('her_other'), to_regnamespace('bea')::text"
    )
    with admin.connect() as connection:
        assert connection.execute(gone).one() == (None, None, None, "bea")
