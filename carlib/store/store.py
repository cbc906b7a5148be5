"""DataFrameStore: whole frames under a name, each put is a new version, none ever changes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from numbers import Integral
from typing import Any

import pandas as pd
import psycopg2
from sqlalchemy import Engine, text
from sqlalchemy.engine import Connection, Row
from sqlalchemy.exc import DBAPIError

from carlib.errors import BadArgument, CarlibError, DamagedData, LossyFormat, PickleNotAllowed
from carlib.store import blob, formats
from carlib.transactions import read_committed

NAME_BYTES = 1000  # an entry of an index in PostgreSQL has room for 2,704 bytes
MAX_BYTES = 10**9  # with the row's other values, below the 1 GiB that the server has room for

NOT_IN_JSONB = (psycopg2.errors.ProgramLimitExceeded, psycopg2.DataError)
TOO_LARGE = (
    "What is too large, put in several parts, each under a name of its own; or write a file with "
    "frame.to_parquet(path) and keep its path in a table."
)
LISTED: Any = dict.fromkeys(("version", "rows", "columns", "bytes", "stored_bytes"), "int64")
LISTED |= {"created_at": "datetime64[us, UTC]"}


@dataclass(frozen=True)
class StoredFrame:
    """What a put stored.

    `version` counts from 1, `created_at` is by the server's clock. `bytes` is the size of what was
    stored, `sha256` its checksum as 64 hexadecimal digits; for jsonb, of the document's text.
    `losses` tells what will be different when it is read back, as accepted.
    """

    name: str
    version: int
    format: str
    compression: str
    rows: int
    columns: int
    bytes: int
    sha256: str
    created_at: datetime
    losses: tuple[str, ...] = ()


class DataFrameStore:
    """A store of whole DataFrames in the table `dataframe_store`.

    The table is made where it is missing. Any tool can read what is stored, and a row that another
    tool inserts is read as well: `data` is a Parquet file, for example, and `sha256` its checksum
    in hexadecimal digits.

    Args:
        engine: From `connect`; its schema is where the frames are.

    Raises:
        TableMismatch: A table of that name exists with other columns.
    """

    def __init__(self, engine: Engine) -> None:
        blob.make_store_tables(engine)
        self._engine = engine

    def put(
        self,
        name: str,
        frame: pd.DataFrame,
        format: str = "parquet",
        compression: str = "zstd",
        accept_loss: bool = False,
    ) -> StoredFrame:
        """Store a frame as a new version of a name.

        The frame is encoded, read back and compared before anything is written. Two writers of one
        name get two versions, the second waits for the first. A number is used once, also when its
        version is deleted.

        Args:
            name: Any text up to 1,000 bytes of UTF-8 without NUL.
            frame: The frame. Its `attrs` are notes and not stored.
            format: pickle, json (text), jsonb, parquet or feather.
            compression: For Parquet none, snappy, gzip, zstd or lz4; for Feather none, zstd or lz4;
                for pickle and json none, gzip or zstd. The server compresses the documents of
                jsonb; for them zstd, the default, means none.
            accept_loss: Store the frame even if something of it will be lost.

        Returns:
            What was stored.

        Raises:
            BadArgument: A name, format or compression that is not possible, or no frame.
            LossyFormat: The format can't hold the frame, its bytes are more than a row can hold (1
                GB; 256 MB of rows for jsonb), or it would come back different; then `.losses` says
                in which columns and how.
            WriteFailed: Another session's lock, a full disk or the end of the session prevents it.
        """
        _check(name)
        if not isinstance(frame, pd.DataFrame):
            raise BadArgument(f"frame is a DataFrame; found a {type(frame).__name__}.")
        compression = formats.check_format(format, compression)
        data = formats.encode(frame, format, compression)
        # What JSONB holds is far less than half; more than that is more than a statement may have.
        limit = MAX_BYTES // 2 if format == "jsonb" else MAX_BYTES
        if len(data) > limit:
            raise LossyFormat(
                f"Expected at most {limit:,} bytes as {format}, since a value in PostgreSQL has "
                f"room for 1 GiB, in JSONB for 256 MiB of rows; found {len(data):,}. Nothing was "
                f"written. {TOO_LARGE}"
            )
        if format == "jsonb":
            data = _as_jsonb(self._engine, data)
        losses = formats.losses(frame, data, format, compression)
        if losses and accept_loss is not True:
            raise LossyFormat(
                f"Expected {format} to bring the frame back exactly; it would not: "
                f"{'; '.join(losses[:5])}. Nothing was written. Put it with "
                'format="pickle", which keeps everything, or with accept_loss=True.',
                losses,
            )
        values: dict[str, Any] = {
            "name": name, "format": format, "compression": compression, "rows": len(frame),
            "columns": frame.shape[1], "schema": formats.describe(frame, format, data),
        }  # fmt: skip
        with read_committed(self._engine) as connection:
            row = blob.insert(connection, values, data)
        return StoredFrame(*(*row[:9], tuple(losses)))

    def get(
        self,
        name: str,
        version: int | None = None,
        columns: Sequence[object] | None = None,
        allow_pickle: bool = False,
    ) -> pd.DataFrame:
        """Read a frame back.

        Args:
            name: The frame's name.
            version: Which version; None is the newest.
            columns: Names of columns, in the order in which they are wanted; None is all. Of a
                Parquet blob that `put` wrote, no more than its footer and these columns are
                fetched.
            allow_pickle: True to unpickle a frame that is stored as a pickle. A pickle is a
                program: whoever could write to the database has it run here, with your rights.

        Returns:
            The frame. With `columns`, its `attrs["bytes_moved"]` is the number of bytes that were
            fetched of the blob.

        Raises:
            NotFound: There is no such frame, or not in that version.
            DamagedData: The stored bytes are not those that were written, or of no known format.
            PickleNotAllowed: It is a pickle, and `allow_pickle` is not True.
            BadArgument: It has no such column, or one is asked for twice.
        """
        _check(name, version)
        with blob.one_snapshot(self._engine) as connection:
            row = blob.find(connection, name, version)
            _check_readable(row, allow_pickle)
            try:
                return _load(connection, row, columns)
            except (CarlibError, DBAPIError, psycopg2.Error, MemoryError):
                raise
            except Exception as error:  # of any type: pandas, pyarrow and pickle have many
                raise DamagedData(
                    f"Expected {_describe(row)} as it was written; it can't be read: {error}. "
                    "Bring the row back from a backup, or delete this version and get an older "
                    "one. A pickle also needs the libraries that wrote it."
                ) from error

    def list(self) -> pd.DataFrame:
        """Show what is stored, without reading any of it.

        Returns:
            A row for each version: name, version, format, compression, rows, columns, bytes (the
            blob's size), stored_bytes (in the table, after TOAST), created_at.
        """
        with self._engine.connect() as connection:
            return pd.read_sql(blob.LIST, connection, dtype=LISTED)

    def delete(self, name: str, version: int | None = None) -> int:
        """Delete a version of a frame, or all of them, and return how many that were.

        Their numbers are not used again.

        Raises:
            NotFound: There was none.
        """
        _check(name, version)
        with read_committed(self._engine) as connection:
            return blob.delete(connection, name, version)


def _load(connection: Connection, row: Row, columns: Sequence[object] | None) -> pd.DataFrame:
    choose = partial(_positions, columns, row)
    # A row that another tool has inserted lacks the checksums of its parts.
    if columns is not None and row.format == "parquet" and "footer" in row.schema:
        fetch = partial(blob.fetch, connection, row)
        return formats.read_columns(row.actual_bytes, row.schema, fetch, choose)
    data = blob.fetch_all(connection, row)
    frame = formats.decode(data, row.format, row.compression)
    if columns is not None:
        frame = frame.iloc[:, choose(frame.columns)]
        frame.attrs["bytes_moved"] = len(data)
    return frame


def _as_jsonb(engine: Engine, data: memoryview) -> memoryview:
    """The document's text as the server gives it out: it writes numbers in its own way."""
    query = text("SELECT CAST(CAST(:document AS jsonb) AS text)")
    try:
        with read_committed(engine) as connection:
            document = connection.scalar(query, {"document": str(data, "utf8")})
    except DBAPIError as error:
        if not isinstance(error.orig, NOT_IN_JSONB):
            raise
        refusal = error.orig.diag
        raise LossyFormat(
            "Expected a document that JSONB can hold, with at most 256 MiB of rows; PostgreSQL "
            f"refused it: {refusal.message_primary} ({refusal.message_detail or 'too large'}). "
            'Nothing was written. Put the frame with format="json" or format="parquet". '
            f"{TOO_LARGE}"
        ) from error
    return memoryview(document.encode())


def _check(name: Any, version: Any = None) -> None:
    sound = isinstance(name, str) and re.fullmatch("[^\0\ud800-\udfff]*", name)
    if not sound or len(name.encode()) > NAME_BYTES:
        expected = f"name is a text of at most {NAME_BYTES:,} bytes of UTF-8 without NUL"
        raise BadArgument(f"{expected}; found {name!r}.")
    whole = isinstance(version, Integral) and not isinstance(version, bool)
    if version is not None and not (whole and 1 <= version < 2**31):
        raise BadArgument(f"version is a whole number from 1, or None; found {version!r}.")


def _check_readable(row: Row, allow_pickle: bool) -> None:
    known = formats.COMPRESSIONS
    if row.compression not in known.get(row.format, ()):
        raise DamagedData(
            f"Expected {_describe(row)} in a format of carlib ({', '.join(known)}); found "
            f"{row.format!r} with compression {row.compression!r}. Correct the row, or update "
            "carlib."
        )
    if row.format == "pickle" and allow_pickle is not True:
        raise PickleNotAllowed(
            f"Expected allow_pickle=True for {_describe(row)}. A pickle is a program that runs "
            "when it is loaded, with all your rights, and the database can't tell who wrote it. "
            "Pass allow_pickle=True if you trust everybody who can write to this table."
        )


def _positions(columns: Any, row: Row, labels: pd.Index) -> list[int]:
    places = {label: place for place, label in enumerate(labels)}
    try:
        unknown = [name for name in columns if name not in places]
        once = len(set(columns)) == len(columns) and not isinstance(columns, str)
    except TypeError:
        once = False
    if not once:
        raise BadArgument(f"columns is a list of names, each once; found {columns!r}.")
    if unknown:
        some = ", ".join(map(repr, labels[:20]))
        raise BadArgument(f"{_describe(row)} has no column {unknown[0]!r}. It has {some}.")
    return [places[name] for name in columns]


def _describe(row: Row) -> str:
    return f"the frame {row.name!r}, version {row.version} ({row.format})"
