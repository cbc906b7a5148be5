import multiprocessing
import re
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pandas as pd
import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from history_oracle import CHANGES, DELTAS, Pair
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from interrupting import Interrupted, archive_until_killed, interrupt, run_until
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError

from carlib.cars import sample_cars
from carlib.errors import (
    BadArgument,
    DamagedData,
    IncompleteAnswer,
    TablesMissing,
    WriteFailed,
)
from carlib.history import archive, copy
from carlib.history.archive import SCHEMA, archive_history, checksum
from carlib.history.changes import delete_car, update_car
from carlib.history.queries import car_history, cars_as_of, price_changes
from carlib.loading.delta import delta_load
from carlib.loading.initial import initial_load
from carlib.lookup import get_car
from carlib.tables import create_tables

LOADED = datetime(2024, 1, 15, tzinfo=UTC)
INSTANTS = [datetime(2024, month, 31, 23, 59, 59, 999_999, tzinfo=UTC) for month in (1, 3, 5)]
MARCH, APRIL = datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 4, 1, tzinfo=UTC)
LATER = datetime(2024, 12, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def car_id(engine, vin):
    return get_car(engine, vin=vin)["car_id"]


@pytest.fixture
def cars(engine):
    """Two cars with history in January, March (the last and the first microsecond) and May."""
    # An archiving that left its lock behind makes the next one fail, instead of waiting for ever.
    event.listen(
        engine,
        "begin",
        lambda connection: connection.exec_driver_sql("SET LOCAL lock_timeout = 9000"),
    )
    create_tables(engine)
    initial_load(engine, sample_cars(), loaded_at=LOADED)
    toyota, honda = car_id(engine, "ABC123"), car_id(engine, "DEF456")
    for number, instant in enumerate(INSTANTS):
        update_car(engine, toyota, {"price": 15000.01 + number}, changed_at=instant)
        update_car(engine, honda, {"color": 'a "b", \\.'}, changed_at=MARCH + MICROSECOND)
    update_car(engine, honda, {"color": None, "engine_size": None}, changed_at=APRIL)
    return engine


@pytest.fixture
def answers(cars):
    """A function that asks for everything there is to know, with or without a directory."""
    ids = [car_id(cars, vin) for vin in ("ABC123", "DEF456")]
    edges = [LOADED, *INSTANTS, MARCH, APRIL]
    instants = sorted({e + d for e in edges for d in (-MICROSECOND, timedelta(0))})

    def ask(directory=None):
        frames = [car_history(cars, key, directory) for key in ids]
        return pd.concat([*frames, *(cars_as_of(cars, when, directory) for when in instants)])

    return ask


def table(engine, name="car_info_history", order="history_id"):
    with engine.connect() as connection:
        rows = connection.execute(text(f"SELECT * FROM {name} ORDER BY {order}"))
        return [tuple(row) for row in rows]


def files_in(directory):
    return sorted(path for path in Path(directory).rglob("*") if path.is_file())


def same(first, second):
    pd.testing.assert_frame_equal(first, second, check_exact=True)


def test_old_history_moves_to_files_by_month(cars, tmp_path):
    before = table(cars)
    report = archive_history(cars, LATER, tmp_path / "archive of cars")
    assert table(cars) == []
    assert [str(path.parent.relative_to(report.directory)) for path in report.files] == [
        "year=2024/month=01", "year=2024/month=03", "year=2024/month=04", "year=2024/month=05",
    ]  # fmt: skip
    assert report.files == tuple(files_in(tmp_path))
    assert report.months == ("2024-01", "2024-03", "2024-04", "2024-05")
    assert (report.rows, report.kept, report.before) == (5, 0, LATER)
    assert report.bytes == sum(path.stat().st_size for path in report.files)
    assert repr(report).startswith(
        "ArchiveReport of history before 2024-12-01 00:00:00+00:00\n  rows"
    )
    assert "<td>5</td><td>0</td><td>4</td><td>4</td>" in report._repr_html_()
    for path in report.files:
        assert path.name == f"{checksum(path)}.parquet"
        assert pq.ParquetFile(path).metadata.row_group(0).column(0).compression == "ZSTD"
    rows = pa.concat_tables([pq.read_table(path, partitioning=None) for path in report.files])
    found = [tuple(row.values()) for row in rows.sort_by("history_id").to_pylist()]
    # The keys are text there, and the last column but one, the generated range, is left out.
    assert found == [(*map(str, row[:3]), *row[3:-2], row[-1]) for row in before]


def test_only_rows_from_before_the_instant_go(cars, tmp_path):
    report = archive_history(cars, INSTANTS[1], tmp_path)
    assert report.rows == 2
    assert len(table(cars)) == 3
    assert archive_history(cars, INSTANTS[1], tmp_path).rows == 0
    assert archive_history(cars, INSTANTS[1] + MICROSECOND, tmp_path).months == ("2024-03",)
    assert len(files_in(tmp_path / "year=2024" / "month=03")) == 2


@pytest.mark.parametrize("before", [LOADED, INSTANTS[1], INSTANTS[1] + MICROSECOND, LATER])
def test_history_answers_as_before_the_archiving(cars, answers, tmp_path, before):
    expected = answers()
    archive_history(cars, before, tmp_path)
    same(answers(tmp_path), expected)
    archive_history(cars, LATER, str(tmp_path))
    same(answers(str(tmp_path)), expected)


def test_answers_without_the_directory_say_that_they_may_lack_something(cars, tmp_path):
    toyota = car_id(cars, "ABC123")
    archive_history(cars, MARCH, tmp_path)
    assert car_history(cars, toyota).attrs["complete"] is False
    assert car_history(cars, toyota, tmp_path).attrs["complete"] is True
    with pytest.warns(IncompleteAnswer, match="Pass the directory"):
        assert cars_as_of(cars, INSTANTS[0] - MICROSECOND).attrs["complete"] is False
    assert cars_as_of(cars, INSTANTS[0]).attrs["complete"] is True
    assert cars_as_of(cars, LOADED - MICROSECOND).attrs["complete"] is True


def test_the_last_row_of_a_deleted_car_stays_so_that_the_car_can_come_back(cars, tmp_path):
    toyota, honda = car_id(cars, "ABC123"), car_id(cars, "DEF456")
    gone, back, gone_again = (LATER + timedelta(days=day) for day in (1, 2, 3))
    for key in (toyota, honda):
        delete_car(cars, key, deleted_at=gone)
    delta_load(cars, sample_cars()[:1], loaded_at=back)
    delete_car(cars, toyota, deleted_at=gone_again)
    life = car_history(cars, toyota)
    report = archive_history(cars, LATER + timedelta(days=9), tmp_path)
    assert (report.rows, report.kept) == (6, 2)
    assert [row[-1] for row in table(cars)] == ["delete", "delete"]
    delta_load(cars, sample_cars(), loaded_at=LATER + timedelta(days=4))
    assert (car_id(cars, "ABC123"), car_id(cars, "DEF456")) == (toyota, honda)
    assert archive_history(cars, LATER + timedelta(days=9), tmp_path).rows == 2
    assert table(cars) == []
    same(car_history(cars, toyota, tmp_path)[: len(life)], life)


def test_price_changes_know_the_table_alone(cars, tmp_path):
    expected = price_changes(cars, since=APRIL)
    archive_history(cars, APRIL, tmp_path)
    same(price_changes(cars), expected)


def test_rows_put_back_into_the_table_are_not_seen_twice(cars, answers, tmp_path):
    expected, before = answers(), table(cars)
    first = archive_history(cars, LATER, tmp_path)
    columns = ", ".join(f'"{name}"' for name in SCHEMA.names)
    holders = ", ".join(f":{name}" for name in SCHEMA.names)
    with cars.begin() as connection:
        for path in first.files:
            for row in pq.read_table(path, partitioning=None).to_pylist():
                statement = f"INSERT INTO car_info_history ({columns}) VALUES ({holders})"
                connection.execute(text(statement), row)
    assert [row[:-2] for row in table(cars)] == [row[:-2] for row in before]
    same(answers(tmp_path), expected)
    assert archive_history(cars, LATER, tmp_path).files == first.files
    same(answers(tmp_path), expected)


def test_a_large_month_goes_in_batches(cars, tmp_path, monkeypatch):
    monkeypatch.setattr(copy, "BATCH_ROWS", 7)
    monkeypatch.setattr(archive, "BATCH_ROWS", 7)
    toyota = car_id(cars, "ABC123")
    for number in range(25):
        instant = LATER + timedelta(minutes=number)
        update_car(cars, toyota, {"price": number, "color": f"Röd {number}"}, changed_at=instant)
    expected = car_history(cars, toyota)
    report = archive_history(cars, LATER + timedelta(days=1), tmp_path)
    assert pq.ParquetFile(report.files[-1]).num_row_groups == 4  # 25 rows, 7 at a time
    same(car_history(cars, toyota, tmp_path), expected)


def test_arguments_and_tables_are_checked_first(engine, tmp_path):
    with pytest.raises(BadArgument, match="Expected before to be a datetime with a time zone"):
        archive_history(engine, datetime(2024, 1, 1), tmp_path)
    with pytest.raises(TablesMissing):
        archive_history(engine, LATER, tmp_path)
    assert files_in(tmp_path) == []


@pytest.mark.parametrize(
    "directory",
    [__file__, None, b"a", 7, "s3://bucket/a", "~nobody-has-this-name/a", "a\0b", "a" * 5000],
    ids=["file", "None", "bytes", "number", "URL", "home", "NUL", "long"],
)
def test_what_can_be_no_folder_is_refused(cars, directory):
    calls = [lambda: archive_history(cars, LATER, directory)]
    if directory is not None:  # without one, the tables alone answer
        calls += [
            lambda: car_history(cars, car_id(cars, "ABC123"), directory),
            lambda: cars_as_of(cars, LOADED, directory),
        ]
    for call in calls:
        with pytest.raises(BadArgument, match="Expected directory to be a folder"):
            call()
    assert len(table(cars)) == 5


def test_the_home_folder_has_its_short_name(cars, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert archive_history(cars, LATER, "~/archive").directory == tmp_path / "archive"
    assert len(car_history(cars, car_id(cars, "ABC123"), "~/archive")) == 4


# Damage


@pytest.mark.parametrize(
    "damage", [lambda data: data[:1000] + b"x" + data[1001:], lambda data: data[:-1], None]
)
def test_a_damaged_file_is_named_when_it_is_read(cars, tmp_path, damage):
    toyota = car_id(cars, "ABC123")
    car_history(cars, toyota, tmp_path / "not there")  # as long as nothing is archived
    [path] = archive_history(cars, MARCH, tmp_path).files
    data = path.read_bytes()
    path.unlink() if damage is None else path.write_bytes(damage(data))
    assert not path.exists() or path.read_bytes() != data
    name = re.escape(path.relative_to(tmp_path).as_posix())
    for ask in (
        lambda: car_history(cars, toyota, tmp_path),
        lambda: cars_as_of(cars, LOADED, tmp_path),
    ):
        with pytest.raises(DamagedData, match=f"{name}.*pass the directory"):
            ask()
    assert len(cars_as_of(cars, LATER, tmp_path)) == 2, "that file has nothing to say about it"


# What is not verified is not removed


def on_statement(engine, beginning, act):
    """Act just before the first statement that begins like this."""
    done = []

    def look(connection, cursor, statement, *_):
        if statement.startswith(beginning) and not done:
            done.append(statement)
            act()

    event.listen(engine, "before_cursor_execute", look)
    return done


def run(engine, statement):
    with engine.begin() as connection:
        return connection.execute(text(statement))


@pytest.mark.parametrize("moment", ["CREATE TEMPORARY TABLE archived", "DELETE FROM car_info_hi"])
@pytest.mark.parametrize(
    "change", ["UPDATE car_info_history SET price = price + 0.01", "DELETE FROM car_info_history"]
)
def test_rows_that_changed_meanwhile_stay(cars, make_engine, tmp_path, moment, change):
    schema = run(cars, "SELECT current_schema()").scalar()
    elsewhere = make_engine(schema)
    oldest = f"{change} WHERE timestamp = (SELECT min(timestamp) FROM car_info_history)"
    done = on_statement(cars, moment, lambda: run(elsewhere, oldest))
    before = len(table(cars))
    with pytest.raises(DamagedData, match="2024-01 in car_info_history as it was written"):
        archive_history(cars, LATER, tmp_path)
    assert done
    assert len(table(cars)) == before - change.startswith("DELETE")
    assert not has_archive(cars)
    after = table(cars)
    archive_history(cars, LATER, tmp_path)
    assert table(cars) == []
    assert sum(row[1] for row in table(cars, "history_archive", "1")) == len(after)


@pytest.mark.parametrize("column", [*SCHEMA.names, None])
def test_a_file_that_was_not_written_right_removes_nothing(cars, tmp_path, column):
    def spoil():
        [path] = tmp_path.glob(".unfinished-*/*")
        rows = pq.read_table(path, partitioning=None)
        if column is None:  # it lacks a row
            pq.write_table(rows[:-1], path)
            return
        position, values = SCHEMA.names.index(column), rows[column].to_pylist()
        values[0] = {
            bool: lambda v: not v,
            str: lambda v: v[:-1] + ("0" if v[-1] != "0" else "1"),
            Decimal: lambda v: v + Decimal("0.01"),
            datetime: lambda v: v + MICROSECOND,
        }[type(values[0])](values[0])
        field = SCHEMA.field(position)
        pq.write_table(rows.set_column(position, field, pa.array(values, field.type)), path)

    before = table(cars)
    on_statement(cars, "CREATE TEMPORARY TABLE archived", spoil)
    with pytest.raises(DamagedData, match="each of the 1 rows"):
        archive_history(cars, LATER, tmp_path)
    assert table(cars) == before
    assert files_in(tmp_path) == []


# What the disk or the database refuses


@pytest.fixture
def small_disk(tmp_path):
    """A folder that is a file system of its own, of 64 KB."""
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)]
    if sys.platform != "linux" or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("only root on Linux may mount a file system")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


@pytest.mark.parametrize("room", [0, 4096, 8192])
def test_a_full_disk_is_named_and_leaves_nothing_behind(cars, answers, small_disk, room):
    expected, folder = answers(), small_disk
    fill = folder / "fill"
    fill.write_bytes(bytes(65536 - room))
    for _ in range(2):
        with pytest.raises(WriteFailed, match=r"No space left on device.*Make room") as caught:
            archive_history(cars, LATER, folder / "archive")
        assert repr(str(folder / "archive")) in str(caught.value)
        assert isinstance(caught.value.__cause__, OSError)
        assert files_in(folder) == [fill]
        assert len(table(cars)) == 5
    fill.unlink()
    archive_history(cars, LATER, folder / "archive")
    same(answers(folder / "archive"), expected)


def test_a_folder_that_cannot_be_made_is_named(cars, tmp_path):
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "below"
    with pytest.raises(WriteFailed, match=re.escape(repr(str(folder)))) as caught:
        archive_history(cars, LATER, folder)
    assert isinstance(caught.value.__cause__, OSError)
    assert len(table(cars)) == 5


# Two at once


def test_a_load_does_not_wait_for_an_archiving(cars, make_engine, tmp_path):
    elsewhere = make_engine(run(cars, "SELECT current_schema()").scalar())
    event.listen(
        elsewhere,
        "begin",
        lambda connection: connection.exec_driver_sql("SET LOCAL statement_timeout = '5s'"),
    )
    toyota, seen = car_id(cars, "ABC123"), []

    def after(connection, cursor, statement, *_):
        if statement.startswith("DELETE FROM car_info_history"):  # done, not yet committed
            instant = LATER + timedelta(minutes=len(seen))
            seen.append(update_car(elsewhere, toyota, {"price": len(seen)}, changed_at=instant))
            delta_load(elsewhere, sample_cars(), loaded_at=instant + timedelta(seconds=1))

    event.listen(cars, "after_cursor_execute", after)
    archive_history(cars, LATER, tmp_path)
    assert len(seen) == 4
    life = car_history(cars, toyota, tmp_path)
    assert (life["valid_from"][1:].to_numpy() == life["valid_to"][:-1].to_numpy()).all()
    assert len(life) == 4 + 2 * len(seen)


# Interrupted anywhere


@pytest.fixture
def saved(cars):
    """A function that brings the table back to where it was before any archiving."""
    run(cars, "CREATE TABLE saved AS SELECT * FROM car_info_history")
    columns = ", ".join(f'"{name}"' for name in SCHEMA.names)

    def restore():
        run(cars, "TRUNCATE car_info_history")
        run(cars, "DROP TABLE IF EXISTS history_archive")
        run(cars, f"INSERT INTO car_info_history ({columns}) SELECT {columns} FROM saved")

    return restore


def assert_ends_right(cars, answers, expected, directory):
    """After an interruption: nothing is lost or doubled, now and after the next run."""
    assert_each_row_once(cars, directory)
    same(answers(directory), expected)
    archive_history(cars, LATER, directory)
    same(answers(directory), expected)
    assert table(cars) == []
    assert_each_row_once(cars, directory)


def assert_each_row_once(cars, directory):
    """Each of the five rows is in the table or in a listed file, and in no two places."""
    ids = [str(row[0]) for row in table(cars)]
    for file, *_ in table(cars, "history_archive", "file") if has_archive(cars) else ():
        ids += pq.read_table(directory / file, partitioning=None)["history_id"].to_pylist()
    assert len(ids) == len(set(ids)) == 5


def has_archive(cars):
    return run(cars, "SELECT to_regclass('history_archive')").scalar() is not None


@pytest.mark.slow
def test_interrupted_at_any_step_and_run_again_it_ends_right(cars, answers, saved, tmp_path):
    expected = answers()
    steps = run_until(lambda: archive_history(cars, LATER, tmp_path / "whole"), -1, interrupt)
    assert {
        "archive_history: Path.replace", "_remove: Connection.execute", "_write: fsync",
        "_remove: cursor.copy_expert", "read_committed: TransactionalContext.__exit__",
        "stream_query: stream_query.<locals>.write", "_write: ParquetWriter.__exit__",
        "archive_history: TemporaryDirectory.__exit__",
    } <= set(steps)  # fmt: skip
    for step, place in enumerate(steps):
        if place.endswith(("Writer.__exit__", "TemporaryDirectory.__exit__")):
            continue  # what is not closed would be Python's to clean up; the kill below has these
        saved()
        directory = tmp_path / str(step)
        with pytest.raises(Interrupted):
            run_until(lambda: archive_history(cars, LATER, directory), step, interrupt)  # noqa: B023
        assert_ends_right(cars, answers, expected, directory)


@pytest.fixture(scope="module")
def processes():
    """Starts processes quickly: they are forked from one that has carlib and nothing else."""
    if sys.platform == "win32":
        pytest.skip("no SIGKILL on Windows")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["carlib.history.archive", "carlib.connection"])
    return context


@pytest.mark.slow
@pytest.mark.parametrize(
    "place",
    [
        "_write: ParquetWriter.__exit__", "_remove: Connection.execute",
        "archive_history: Path.replace", "archive_history: TemporaryDirectory.__exit__",
        "read_committed: TransactionalContext.__exit__", "read_committed: Connection.__exit__",
    ],
)  # fmt: skip
def test_killed_and_run_again_it_ends_right(
    cars, answers, saved, database_url, processes, tmp_path, place
):
    expected = answers()
    steps = run_until(lambda: archive_history(cars, LATER, tmp_path / "whole"), -1, interrupt)
    saved()
    directory = tmp_path / "killed"
    step = len(steps) - 1 - steps[::-1].index(place)
    schema = run(cars, "SELECT current_schema()").scalar()
    arguments = (database_url, schema, LATER.isoformat(), str(directory), step)
    process = processes.Process(target=archive_until_killed, args=arguments)
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    process.close()
    committed = place == "read_committed: Connection.__exit__"
    assert len(table(cars)) == (0 if committed else 5)
    assert_ends_right(cars, answers, expected, directory)


@pytest.mark.parametrize("place", ["_remove: cursor.copy_expert", "archive_history: Path.replace"])
def test_cut_off_from_the_server_and_run_again_it_ends_right(
    cars, answers, saved, make_engine, tmp_path, place
):
    expected = answers()
    steps = run_until(lambda: archive_history(cars, LATER, tmp_path / "whole"), -1, interrupt)
    saved()
    directory = tmp_path / "cut"
    elsewhere = make_engine()

    def cut():
        run(
            elsewhere,
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks"
            " WHERE locktype = 'advisory' AND classid = CAST(hashtext('carlib.archive') AS oid)",
        )

    step = steps.index(place)
    with pytest.raises(WriteFailed, match="ended the work") as caught:
        run_until(lambda: archive_history(cars, LATER, directory), step, cut)
    assert isinstance(caught.value.__cause__, (DBAPIError, psycopg2.Error))
    assert not list(directory.glob(".unfinished-*"))
    assert_ends_right(cars, answers, expected, directory)


def test_two_schemas_in_one_directory_and_files_of_others_harm_nobody(
    cars, make_engine, answers, tmp_path
):
    expected = answers()
    other = make_engine()
    create_tables(other)
    initial_load(other, sample_cars(), loaded_at=LOADED)
    update_car(other, car_id(other, "ABC123"), {"price": 7}, changed_at=INSTANTS[0])
    [theirs] = archive_history(other, LATER, tmp_path).files
    unlisted = theirs.with_name(f"{'0' * 64}.parquet")
    unlisted.write_bytes(b"not even Parquet")
    archive_history(cars, LATER, tmp_path)
    same(answers(tmp_path), expected)
    assert len(car_history(other, car_id(other, "ABC123"), tmp_path)) == 2
    assert unlisted.exists()


# Against plain Python


@settings(
    max_examples=settings.default.max_examples // 2,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    first=DELTAS,
    changes=st.lists(
        CHANGES | st.tuples(st.just("archive"), st.timedeltas(timedelta(-90), timedelta(9))),
        min_size=2,
        max_size=10,
    ),
)
def test_random_histories_and_archivings_equal_those_of_plain_python(
    engine, tmp_path_factory, first, changes
):
    create_tables(engine)
    pair, directory = Pair(engine), tmp_path_factory.mktemp("archive")
    for kind, step, *what in [first, *changes, ("archive", timedelta(0))]:
        if kind == "archive":
            archive_history(engine, pair.now + step, directory)
        else:
            pair.apply(kind, step, *what)
    pair.assert_equal(directory=directory)
