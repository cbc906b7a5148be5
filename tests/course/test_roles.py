"""A shared server: what `carlib roles` makes, and what a learner's role can do and can not."""

import contextlib
import os
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from markdown_pages import ROOT
from psycopg2 import errorcodes
from roles import run
from server_probes import eventually, mode, posix_only
from sqlalchemy import URL, Engine, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError

import carlib
from carlib import connect, create_tables, generate_cars, initial_load, sample_cars, sample_delta
from carlib.errors import CarlibError, ConnectionFailed
from course.cli import main
from course.errors import RolesFailed, UsageError
from course.lessons import find_lessons
from course.roles import make_roles
from servers.postgres import temporary_server
from servers.postgres.programs import binaries

CLASS = "Ada,ADA_URL\nBéa,BEA_URL\nGuest,GUEST_URL\n"
LEARNERS, CONNECTIONS_EACH = 3, 5  # as docs/instructors.md says


@pytest.fixture(scope="module")
def admin() -> Iterator[Engine]:
    """A superuser of a database that is to be shared."""
    with temporary_server(tcp=True) as server:
        owner = create_engine(server.url)
        run(owner, """CREATE DATABASE "it's a course" """)
        owner.dispose()
        engine = create_engine(server.url.set(database="it's a course"))
        yield engine
        engine.dispose()


def make(admin: Engine, table: str, folder: Path, **given: str) -> dict[str, str]:
    """Make the roles of a table; the URL in each variable of the file, as a shell reads it."""
    class_file, output = folder / "class.csv", folder / "class.env"
    class_file.write_text(f"name,database_url_env\n{table}", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        for name, url in given.items():
            patch.setenv(name, url)
        made = make_roles(class_file, output, admin.url.render_as_string(hide_password=False))
    return sourced(output) if made else {}


def sourced(file: Path) -> dict[str, str]:
    return dict(word.split("=", 1) for word in shlex.split(file.read_text("utf-8")))


def scalar(engine: Engine, sql: str) -> object:
    with engine.connect() as connection:
        return connection.scalar(text(sql))


@pytest.fixture(scope="module")
def urls(admin: Engine, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The URLs that were made for the class; its guest has one already."""
    return make(admin, CLASS, tmp_path_factory.mktemp("made"), GUEST_URL="postgresql://elsewhere/d")


def _first_load(engine: Engine) -> None:
    initial_load(engine, sample_cars())


def _second_load(engine: Engine) -> None:
    carlib.delta_load(engine, sample_delta())


@contextlib.contextmanager
def _working(url: str | URL, schema: str) -> Iterator[Engine]:
    """A learner with some cars in a schema."""
    engine = connect(url, schema=schema, fresh=True)
    create_tables(engine)
    _first_load(engine)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def ada(urls: Mapping[str, str]) -> Iterator[Engine]:
    with _working(urls["ADA_URL"], "ada") as engine:
        run(engine, "CREATE TABLE note (line text)")
        yield engine


@pytest.fixture(scope="module")
def bea(urls: Mapping[str, str]) -> Iterator[Engine]:
    with _working(urls["BEA_URL"], "bea") as engine:
        yield engine


@posix_only
def test_only_the_owner_reads_the_urls_which_work(
    tmp_path: Path, admin: Engine, capsys: pytest.CaptureFixture
) -> None:
    table, output = tmp_path / "class.csv", tmp_path / "class.env"
    table.write_text("name,database_url_env\nCleo,CLEO_URL\n李,LI_URL\n", encoding="utf-8")
    words = ["--database-url", admin.url.render_as_string(hide_password=False)]
    umask = os.umask(0)
    try:
        assert main(["roles", str(table), "--output", str(output), *words]) == 0
    finally:
        os.umask(umask)
    assert mode(output) == 0o600
    found, printed = sourced(output), "".join(capsys.readouterr())
    assert list(found) == ["CLEO_URL", "LI_URL"]
    for url, user in zip(map(make_url, found.values()), ["cleo", "李"], strict=True):
        assert (url.username, url.database) == (user, admin.url.database)
        assert len(url.password) >= 20
        assert url.password not in printed
        connect(url, schema=user, fresh=True).dispose()
    assert len({make_url(url).password for url in found.values()}) == 2


def test_once_more_makes_roles_for_those_who_came_later(
    urls: dict[str, str], admin: Engine, tmp_path: Path
) -> None:
    assert set(urls) == {"ADA_URL", "BEA_URL"}
    known = urls | {"GUEST_URL": "postgresql://elsewhere/d"}
    assert make(admin, CLASS, tmp_path, **known) == {}
    made = make(admin, f"{CLASS}Dan,DAN_URL\n", tmp_path, **known)
    assert set(made) == {"DAN_URL"}
    # His URL was lost: he gets a new password, and his schema stays.
    (tmp_path / "class.env").unlink()
    again = make(admin, "Dan,DAN_URL\n", tmp_path)
    with pytest.raises(ConnectionFailed, match="refused"):
        connect(made["DAN_URL"], schema="dan")
    for url, schema in ((again["DAN_URL"], "dan"), (urls["ADA_URL"], "ada")):
        connect(url, schema=schema).dispose()


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ("postgres,P_URL", "line 3: expected no role 'postgres'"),
        ("learners,P_URL", "line 3: expected no role 'learners'"),
        ("lesson 01,P_URL", 'schema "lesson_01" already exists'),
        ("Eve,", "line 3: .* a variable for Eve alone.* found none"),
        ("Eve,DORA_URL", "line 2: .* found DORA_URL in 2 of the rows"),
        ("Eve,É", "line 3: expected database_url_env to be the name"),
    ],
)
def test_nothing_is_made_where_one_role_can_not_be(
    tmp_path: Path, urls: dict[str, str], admin: Engine, second: str, message: str
) -> None:
    with pytest.raises((UsageError, RolesFailed), match=message):
        make(admin, f"Dora,DORA_URL\n{second}\n", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["class.csv"]
    assert scalar(admin, "SELECT to_regrole('dora')") is None


def test_who_may_not_make_roles_is_told(
    tmp_path: Path, urls: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    table, output = tmp_path / "class.csv", tmp_path / "class.env"
    table.write_text("name,database_url_env\nDora,DORA_URL\n", encoding="utf-8")
    monkeypatch.delenv("CARLIB_DATABASE_URL", raising=False)
    with pytest.raises(UsageError, match="Expected the URL of a superuser"):
        make_roles(table, output)
    # Ada connects to the server's other database, whose public schema she may use.
    url = make_url(urls["ADA_URL"]).set(database="postgres")
    with pytest.raises(RolesFailed, match="superuser of the database postgres") as caught:
        make_roles(table, output, url.render_as_string(hide_password=False))
    assert url.password not in str(caught.value)
    assert not output.exists()
    output.write_text("PRECIOUS=1")
    with pytest.raises(UsageError, match=r"Expected to make the new file .*: File exists"):
        make_roles(table, output, url.render_as_string(hide_password=False))
    assert output.read_text() == "PRECIOUS=1"


def test_a_learner_can_do_what_the_lessons_do(ada: Engine, bea: Engine) -> None:
    """The lessons themselves are run by such roles below and in test_instructors.py."""
    _second_load(ada)
    for engine, cars in ((ada, 3), (bea, 2)):
        # As lesson 6 does it.
        run(engine, "CREATE SCHEMA IF NOT EXISTS extensions")
        run(engine, "CREATE EXTENSION IF NOT EXISTS pgstattuple SCHEMA extensions")
        counted = "SELECT tuple_count FROM extensions.pgstattuple('car_info')"
        assert scalar(engine, counted) == cars
    with _working(ada.url, "ada_02"):
        pass


# What a learner tries on another's schema, on what all share, and on the server.
REFUSED = {
    "read": "SELECT * FROM bea.car_info",
    "count": "SELECT * FROM extensions.pgstattuple('bea.car_info')",
    "count by number": (
        "SELECT extensions.pgstattuple(oid::regclass) FROM pg_class"
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
    "drop the database": 'DROP DATABASE "it\'s a course"',
    "change the server": "ALTER SYSTEM SET max_connections = 5",
    "read a file": "COPY ada.note FROM '/etc/passwd'",
    "write a file": "COPY ada.note TO '/tmp/of_a_learner'",
    "run a program": "COPY ada.note FROM PROGRAM 'id'",
    "read a file by function": "SELECT pg_read_file('PG_VERSION')",
    "list a folder": "SELECT pg_ls_dir('.')",
    "import a file": "SELECT lo_import('/etc/passwd')",
    "read passwords": "SELECT rolpassword FROM pg_authid",
    "read statistics": "SELECT * FROM pg_statistic",
    "end a session": "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'bea'",
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
        activity = f"SELECT query || usename FROM pg_stat_activity WHERE pid = {pid}"
        assert scalar(ada, activity) == "<insufficient privilege>bea"
    assert scalar(ada, "SELECT count(*) FROM pg_stats WHERE schemaname = 'bea'") == 0


def test_no_learner_takes_all_connections_or_all_time(ada: Engine) -> None:
    assert scalar(ada, "SHOW statement_timeout") == "5min"
    assert scalar(ada, "SHOW idle_in_transaction_session_timeout") == "1h"
    ada.dispose()
    with contextlib.ExitStack() as stack:
        engine = create_engine(ada.url, pool_size=11)
        stack.callback(engine.dispose)
        for _ in range(10):
            stack.enter_context(engine.connect())
        with pytest.raises(OperationalError, match='too many connections for role "ada"'):
            engine.connect()


# Each with what goes before it, and what it then waits for.
WORK = {
    create_tables: ("DROP TABLE car_info", "CREATE TABLE ada.car_info (id int)"),
    _first_load: ("DELETE FROM car_info", "LOCK TABLE ada.car_info IN SHARE MODE"),
    _second_load: ("SELECT 1", "LOCK TABLE ada.car_info IN SHARE MODE"),
}


@pytest.mark.parametrize("does", WORK)
def test_one_learners_work_keeps_no_other_waiting(
    does: Callable[[Engine], object], urls: dict[str, str], admin: Engine
) -> None:
    before, held = WORK[does]
    locks = "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE usename = 'ada'"
    waiting = f"{locks} AND NOT granted"

    def work(engine: Engine) -> None:
        with contextlib.suppress(CarlibError, DBAPIError):
            does(engine)

    with _working(urls["ADA_URL"], "ada") as ada, admin.connect() as holder:
        run(ada, before)
        holder.execute(text(held))
        thread = threading.Thread(target=work, args=[ada])
        thread.start()
        try:
            assert eventually(lambda: scalar(admin, waiting) == 1)
            assert scalar(admin, f"{locks} AND granted AND locktype = 'advisory'") >= 1
            connect(urls["BEA_URL"], schema="bea", fresh=True).dispose()
            options = {"options": "-c search_path=bea -c lock_timeout=2s"}
            impatient = create_engine(urls["BEA_URL"], connect_args=options)
            for work_of_another in WORK:
                work_of_another(impatient)
            impatient.dispose()
            assert scalar(admin, waiting) == 1
        finally:
            holder.rollback()
            thread.join(60)
        assert not thread.is_alive()


@pytest.mark.slow
def test_learners_run_lessons_at_once(admin: Engine, tmp_path: Path) -> None:
    """Lessons assert their own results; here nobody finds another one's cars among their own."""
    names = [f"learner_{number}" for number in range(LEARNERS)]
    urls = make(admin, "".join(f"{name},{name}_URL\n" for name in names), tmp_path)
    runs = []
    for seed, name in enumerate(names):
        run(admin, f"ALTER ROLE {name} CONNECTION LIMIT {CONNECTIONS_EACH}")
        words = f"-m course.cli run --only 02 --only 03 --only 04 --seed {seed} --rows {100 + seed}"
        command = [
            sys.executable,
            *words.split(),
            "-p",
            "schema",
            name,
            "--output",
            tmp_path / name,
        ]
        command += ["--database-url", urls[f"{name}_URL"]]
        runs.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
    errors = [process.communicate(timeout=900)[1] for process in runs]
    assert [process.returncode for process in runs] == [0] * LEARNERS, errors
    for seed, name in enumerate(names):
        vins = scalar(admin, f'SELECT array_agg(vin ORDER BY vin COLLATE "C") FROM {name}.car_info')
        assert vins == sorted(generate_cars(100 + seed, seed=seed)["vin"])


def test_psql_takes_the_files_as_they_are(admin: Engine) -> None:
    run(admin, "CREATE DATABASE by_hand")
    url = admin.url.set(database="by_hand")
    name = """o'Neil "x" """
    target = f"host={url.host} port={url.port} user={url.username} dbname={url.database}"
    psql = [binaries() / "psql", "--no-psqlrc", "-v", "ON_ERROR_STOP=1", "-d", target]
    psql += ["-v", f"role={name}", "-v", "password=it's"]
    for file in ("shared_server.sql", "shared_server.sql", "learner_role.sql"):
        command = [*psql, "-f", ROOT / "course" / file]
        variables = {"PGPASSWORD": url.password, "PGSSLMODE": "disable"}
        done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
    with _working(url.set(username=name, password="it's"), name):
        pass


def test_a_role_and_all_that_is_its_own_goes_as_the_page_says(
    bea: Engine, admin: Engine, tmp_path: Path
) -> None:
    page = (ROOT / "docs" / "instructors.md").read_text("utf-8")
    (shown,) = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    urls = make(admin, "Ada Lovelace,LOVELACE_URL\n", tmp_path)
    for schema in ("ada_lovelace", "her_other"):
        with _working(urls["LOVELACE_URL"], schema):
            pass
    run(admin, shown)
    gone = text(
        "SELECT to_regrole('ada_lovelace'), to_regnamespace('ada_lovelace'),"
        " to_regnamespace('her_other'), to_regnamespace('bea')::text"
    )
    with admin.connect() as connection:
        assert connection.execute(gone).one() == (None, None, None, "bea")
