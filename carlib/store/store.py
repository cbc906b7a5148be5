"""DataFrameStore: whole frames under a name, each put is a new version, none ever changes."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pandas as pd
import psycopg2
import pyarrow as pa
from sqlalchemy import Engine, text
from sqlalchemy.engine import Connection, Row

from carlib.errors import BadArgument, LossyFormat
from carlib.store import arrow_formats, rows
from carlib.store.arguments import check_name, check_readable, check_version, positions_of
from carlib.store.byte_ranges import BlobFile
from carlib.store.formats import check_format, decode, encode
from carlib.store.pandas_meta import refuse
from carlib.store.seal import damaged
from carlib.store.stored_frame import StoredFrame
from carlib.store.tables import make_store_tables
from carlib.transactions import read_committed


class DataFrameStore:
    """A store of whole DataFrames in the tables `dataframe_store` and `dataframe_store_chunk`.

    The tables are made where they are missing.

    Args:
        engine: From `connect`; its schema is where the frames are.

    Raises:
        TableMismatch: A table of that name exists with other columns.
    """

    def __init__(self, engine: Engine) -> None:
        make_store_tables(engine)
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

        Two writers of one name get two versions, the second waits for the first. A number is used
        once, also when its version is deleted.

        Args:
            name: Any text up to 1,000 bytes of UTF-8 without NUL.
            frame: The frame. Its `attrs` are notes and not stored.
            format: pickle, json (text), jsonb, parquet or feather.
            compression: none, snappy, gzip, zstd or lz4, where the format has it: Parquet has all,
                Feather none, zstd and lz4, pickle and json none, gzip and zstd. The documents of
                jsonb are compressed by the server; for them zstd, the default, means none.
            accept_loss: Store the frame even if something of it will be lost.

        Returns:
            What was stored.

        Raises:
            BadArgument: A name, format or compression that is not possible, or no frame.
            LossyFormat: The format can't hold the frame; the message names a format that can.
            LossyFormat: The frame would come back different; `.losses` says in what.
        """
        check_name(name)
        if not isinstance(frame, pd.DataFrame):
            raise BadArgument(f"frame is a DataFrame; found a {type(frame).__name__}.")
        compression = check_format(format, compression)
        encoded = encode(frame, format, compression)
        if encoded.losses and accept_loss is not True:
            raise LossyFormat(
                f"Expected {format} to bring the frame back exactly; it would not: "
                f"{'; '.join(encoded.losses[:5])}. Nothing was written. Put it with "
                'format="pickle", which keeps everything, or with accept_loss=True.',
                encoded.losses,
            )
        values: dict[str, Any] = {
            "name": name,
            "format": format,
            "compression": compression,
            "rows": len(frame),
            "columns": frame.shape[1],
        }
        with _refusals(format), read_committed(self._engine) as connection:
            row = rows.write(connection, values, encoded.schema, encoded.data)
        values |= {key: getattr(row, key) for key in ("version", "bytes", "sha256", "created_at")}
        return StoredFrame(**values, losses=tuple(encoded.losses))

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
                Parquet blob, no more than its footer and these columns are fetched.
            allow_pickle: True to unpickle a frame that is stored as a pickle. A pickle is a
                program: whoever could write to the database has it run here, with your rights.

        Returns:
            The frame. With `columns`, its `attrs["bytes_moved"]` is the number of bytes that were
            fetched of the blob.

        Raises:
            NotFound: There is no such frame, or not in that version.
            DamagedData: The stored bytes are not those that were written.
            PickleNotAllowed: It is a pickle, and `allow_pickle` is not True.
            DamagedData: It was written by another version of carlib.
            BadArgument: It has no such column, or one is asked for twice.
        """
        check_name(name)
        check_version(version)
        with _one_snapshot(self._engine) as connection:
            row = rows.find(connection, name, version)
            check_readable(row, allow_pickle)
            description = json.loads(row.schema_text)
            if columns is not None and row.format == "parquet":
                positions = positions_of(row, description["columns"]["labels"], columns)
                return _read_columns(connection, row, description, positions)
            data = rows.read(connection, row)
        frame = decode(data, row.format, row.compression, description, row.rows)
        if columns is None:
            return frame
        chosen = frame.iloc[:, positions_of(row, list(frame.columns), columns)]
        chosen.attrs["bytes_moved"] = row.bytes
        return chosen

    def list(self) -> pd.DataFrame:
        """Show what is stored, without reading any of it.

        Returns:
            A row for each version: name, version, format, compression, rows, columns, bytes (the
            blob's size), stored_bytes (in the table, after TOAST), created_at.
        """
        with self._engine.connect() as connection:
            result = connection.execute(rows.LIST)
            frame = pd.DataFrame(result.all(), columns=list(result.keys()))
        whole = ("version", "rows", "columns", "bytes", "stored_bytes")
        instants = pd.to_datetime(frame["created_at"], utc=True).dt.as_unit("us")
        return frame.astype(dict.fromkeys(whole, "int64")).assign(created_at=instants)

    def delete(self, name: str, version: int | None = None) -> int:
        """Delete a version of a frame, or all of them.

        Their numbers are not used again.

        Returns:
            How many versions were deleted.

        Raises:
            NotFound: There was none.
        """
        check_name(name)
        check_version(version)
        query = rows.DELETE if version is None else rows.DELETE + " AND version = :version"
        with read_committed(self._engine) as connection:
            count = connection.execute(text(query), {"name": name, "version": version}).rowcount
            if not count:
                raise rows.not_found(name, version)
        return count


@contextmanager
def _one_snapshot(engine: Engine) -> Iterator[Connection]:
    """A transaction in which a row and its bytes belong together, whoever deletes meanwhile."""
    options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with engine.connect().execution_options(**options) as connection, connection.begin():
        yield connection


@contextmanager
def _refusals(format: str) -> Iterator[None]:
    """Say in our words what the server said of a document that it can't hold."""
    try:
        yield
    except (psycopg2.errors.ProgramLimitExceeded, psycopg2.errors.DataError) as error:
        raise refuse(format, "a value", f"PostgreSQL refused it ({error})", "parquet") from error


def _read_columns(
    connection: Connection, row: Row, description: dict, positions: Sequence[int]
) -> pd.DataFrame:
    file = BlobFile(connection, row)
    try:
        frame = arrow_formats.decode(file, row.format, description, row.rows, positions)
    except pa.ArrowException as error:
        raise damaged(row, f"bytes that Arrow can't read ({error})") from error
    frame.attrs["bytes_moved"] = file.moved
    return frame
