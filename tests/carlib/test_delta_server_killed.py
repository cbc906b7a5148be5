"""The server is killed (SIGKILL) in the middle of a delta load or of the change of one car.

After the restart there is all of it or nothing, and doing it again ends in the same.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any

import psutil
import pytest
from car_states import broken_lives, put_back, rows_of_tables, stored
from fault_injection import before_each_statement
from server_probes import eventually, kill_server
from sqlalchemy import Engine, event, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from carlib import connect, create_tables, generate_cars, get_car, initial_load
from carlib.errors import WriteFailed
from carlib.history.changes import update_car
from carlib.loading.delta import delta_load
from servers.postgres import EmbeddedServer, temporary_server

pytestmark = pytest.mark.slow

FIRST, SECOND = datetime(2024, 11, 1, tzinfo=UTC), datetime(2024, 11, 2, tzinfo=UTC)
ROWS = 30
LOST = (WriteFailed, DBAPIError)  # of a write, or of looking a car up


@dataclass
class Own:
    """A server of the test's own, an engine on it, and what the tables hold to begin with."""

    server: EmbeddedServer
    engine: Engine
    beginning: dict

    def restart(self) -> None:
        self.engine.dispose()
        self.server.start()

    def kill_all(self) -> None:
        """Kill the server and, before they notice, the processes that serve connections."""
        server = psutil.Process(self.server.pid)
        for process in (server, *server.children()):
            process.kill()
        assert eventually(lambda: self.server.pid is None)


@pytest.fixture(scope="module")
def module_server() -> Iterator[EmbeddedServer]:
    with temporary_server() as server:
        yield server


@pytest.fixture
def own(module_server: EmbeddedServer) -> Iterator[Own]:
    engine = connect(module_server.start().url, schema="cars", fresh=True)
    create_tables(engine)
    initial_load(engine, generate_cars(ROWS), loaded_at=FIRST)
    yield Own(module_server, engine, rows_of_tables(engine))
    engine.dispose()


def load(engine: Engine) -> None:
    """Half of the cars change, the other half goes, and some are new."""
    cars = generate_cars(ROWS + 5).iloc[ROWS // 2 :].assign(price=1.0)
    delta_load(engine, cars, loaded_at=SECOND, missing="delete", batch="b")


def update(engine: Engine) -> None:
    """One car changes, and moves to a model that is new."""
    key = get_car(engine, vin=generate_cars(1)["vin"][0])["car_id"]
    update_car(engine, key, {"price": 1, "brand": "Saab", "model": "900"}, changed_at=SECOND)


WORKS = {"load": load, "update": update}


def state(engine: Engine) -> dict[str, Any]:
    """All that a work writes, but the keys and the clock's times, which differ from run to run."""
    lives = [{k: v for k, v in row.items() if k != "car_id"} for row in stored(engine)]
    log = "SELECT kind, batch, content, loaded_at, inserted, updated, deleted FROM load_log"
    names = "SELECT b.name, m.name FROM car_brand b LEFT JOIN car_model m USING (brand_id)"
    with engine.connect() as connection:
        rest = [
            sorted(tuple(row) for row in connection.execute(text(f"{sql} ORDER BY 1, 2")))
            for sql in (log, names)
        ]
    return {"lives": lives, "log": rest[0], "names": rest[1]}


def both_states(own: Own, work: Callable[[Engine], None]) -> tuple[dict, dict, list[str]]:
    """What there is before a work and after it, and the statements it sends; then it is undone."""
    before, sent = state(own.engine), []
    with before_each_statement(own.engine, lambda sql, pid: sent.append(sql)):
        work(own.engine)
    after = state(own.engine)
    assert before != after
    put_back(own.engine, own.beginning)
    assert state(own.engine) == before
    return before, after, sent


def assert_converges(own: Own, work: Callable[[Engine], None], after: dict) -> None:
    for _ in range(2):
        work(own.engine)
        assert state(own.engine) == after
    assert broken_lives(own.engine) == []


def lose(own: Own, work: Callable[[Engine], None], first: Callable = lambda: None) -> None:
    """Run a work that does not survive, and start the server again."""
    with pytest.raises(LOST, match=r"terminat|closed|refused"):
        work(own.engine)
    first()
    own.restart()


@pytest.mark.parametrize("name", WORKS)
def test_a_server_killed_before_any_statement_has_nothing_of_it(own: Own, name: str) -> None:
    before, after, sent = both_states(own, WORKS[name])
    assert sent[-1] == "COMMIT"
    assert any("INSERT INTO car_info_history" in sql for sql in sent)
    for number in range(len(sent)):
        with before_each_statement(own.engine, killing(own, number)):
            lose(own, WORKS[name])
        assert state(own.engine) == before, sent[number]
    assert_converges(own, WORKS[name], after)


def killing(own: Own, number: int) -> Callable[[str, int], None]:
    """A function that kills the server when it is called for that time, counted from 0."""
    calls = count()

    def kill(sql: str, pid: int) -> None:
        if next(calls) == number:
            kill_server(own.server.data_dir)

    return kill


SLOW = """
    CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_sleep(60); RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON car_info_history
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow()
"""
COMMITTING = (
    "SELECT count(*) FROM pg_stat_activity WHERE query = 'COMMIT' AND wait_event = 'PgSleep'"
)


@pytest.mark.parametrize("name", WORKS)
def test_a_server_killed_while_it_commits_has_nothing_of_it(own: Own, name: str) -> None:
    before, after, _ = both_states(own, WORKS[name])
    with own.engine.begin() as connection:
        connection.exec_driver_sql(SLOW)
    watch = connect(own.server.url, schema="cars")

    def kill() -> None:
        with watch.connect() as connection:
            ask = connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql
            assert eventually(lambda: ask(COMMITTING).scalar_one() == 1)
        own.kill_all()

    with ThreadPoolExecutor(1) as pool:
        killed = pool.submit(kill)
        lose(own, WORKS[name], first=killed.result)
    watch.dispose()
    with own.engine.begin() as connection:
        assert state(own.engine) == before
        connection.exec_driver_sql("DROP FUNCTION slow CASCADE")
    assert_converges(own, WORKS[name], after)


@pytest.mark.parametrize("name", WORKS)
def test_a_server_killed_around_the_commit_has_all_of_it_or_nothing(own: Own, name: str) -> None:
    """At moments that follow the sending of COMMIT; the last one comes after its answer."""
    before, after, _ = both_states(own, WORKS[name])
    found = []
    for delay in (0, 0.0003, 0.001, None):
        with ThreadPoolExecutor(1) as pool:
            commit = committing(own, pool, delay)
            event.listen(own.engine, "commit", commit)
            with suppress(*LOST):
                WORKS[name](own.engine)
            event.remove(own.engine, "commit", commit)
        assert eventually(lambda: own.server.pid is None)
        own.restart()
        found.append(state(own.engine))
        assert found[-1] in (before, after), delay
        assert_converges(own, WORKS[name], after)
        put_back(own.engine, own.beginning)
    assert found[-1] == after  # what was answered is there


def committing(
    own: Own, pool: ThreadPoolExecutor, delay: float | None
) -> Callable[[Connection], None]:
    """A function that has the server killed so many seconds later, or commits and then kills it."""

    def kill() -> None:
        time.sleep(delay)
        own.kill_all()

    def commit(connection: Connection) -> None:
        if delay is None:
            connection.connection.dbapi_connection.commit()
            own.kill_all()
        else:
            pool.submit(kill)

    return commit
