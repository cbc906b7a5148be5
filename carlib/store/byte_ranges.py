"""A stored blob as a file to seek and read in: only what is read is fetched, and checked."""

import hashlib
import io
import threading
from collections.abc import Callable

import numpy as np
from sqlalchemy.engine import Connection, Row

from carlib.store.binary_copy import copy_out
from carlib.store.seal import BLOCK, damaged

OUT_PIECE = 1 << 18
# The server cuts the bytes into pieces, since one row is what COPY holds in memory at a time.
_PIECES = """
SELECT substring(data FROM CAST(start AS integer) + 1
    FOR CAST(least(%(piece)s, %(stop)s - %(before)s - start) AS integer))
FROM {table}, generate_series(%(start)s - %(before)s, %(stop)s - %(before)s - 1, %(piece)s) AS start
WHERE blob_id = %(blob)s {condition}
ORDER BY start
"""
WHOLE_ROW = _PIECES.format(table="dataframe_store", condition="")
ONE_CHUNK = _PIECES.format(table="dataframe_store_chunk", condition="AND number = %(number)s")


def fetch(
    connection: Connection,
    row: Row,
    start: int,
    stop: int,
    look: Callable[[memoryview], object] = lambda piece: None,
) -> memoryview:
    """Fetch the bytes of a blob from `start` up to `stop`.

    Args:
        connection: The transaction in which `row` was found.
        row: The row without its bytes.
        start: The first byte, counted from 0.
        stop: The byte after the last one.
        look: Called with each piece when it has come, while the server prepares the next.

    Raises:
        DamagedData: The database holds fewer bytes than were written.
    """
    found, place = np.empty(stop - start, dtype=np.uint8).data, 0

    def add(piece: memoryview) -> None:
        nonlocal place
        found[place : place + len(piece)] = piece
        place += len(piece)
        look(piece)

    while start < stop:
        number, end = None, stop
        if row.chunk_bytes:
            number = start // row.chunk_bytes
            end = min(stop, (number + 1) * row.chunk_bytes)
        values = {
            "blob": str(row.blob_id),
            "start": start,
            "stop": end,
            "before": (number or 0) * row.chunk_bytes,
            "piece": OUT_PIECE,
            "number": number,
        }
        copy_out(connection, ONE_CHUNK if row.chunk_bytes else WHOLE_ROW, values, add)
        start = end
    if place != len(found):
        raise damaged(row, f"{place:,} bytes where {len(found):,} were to be")
    return found


class BlobFile(io.RawIOBase):
    """A blob in the database, as a file that is read only.

    Attributes:
        moved: How many bytes were fetched so far, the checksums of the blocks included.
    """

    def __init__(self, connection: Connection, row: Row) -> None:
        self._connection = connection
        self._row = row
        self._place = 0
        self._blocks: dict[int, memoryview] = {}
        self._lock = threading.RLock()  # Arrow reads from threads of its own
        self._checksums = bytes(row.blocks)
        self.moved = len(self._checksums)

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that one can move in it."""
        return True

    def tell(self) -> int:
        """Say where it stands."""
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a place, and say where that is."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._row.bytes}[whence]
        self._place = base + offset
        return self._place

    def read(self, size: int = -1) -> bytes:
        """Read from where the file stands, at most to its end."""
        with self._lock:
            start = self._place
            stop = self._row.bytes if size is None or size < 0 else start + size
            stop = min(stop, self._row.bytes)
            if start >= stop:
                return b""
            first, last = start // BLOCK, (stop - 1) // BLOCK
            self._fetch(first, last)
            parts = [self._blocks[number] for number in range(first, last + 1)]
            joined = b"".join(parts)
            self._place = stop
            return joined[start - first * BLOCK : stop - first * BLOCK]

    def _fetch(self, first: int, last: int) -> None:
        """Fetch the blocks from `first` to `last` that are not here yet."""
        missing = [number for number in range(first, last + 1) if number not in self._blocks]
        while missing:
            run = 1
            while run < len(missing) and missing[run] == missing[0] + run:
                run += 1
            self._fetch_run(missing[0], run)
            missing = missing[run:]

    def _fetch_run(self, first: int, count: int) -> None:
        start, stop = first * BLOCK, min((first + count) * BLOCK, self._row.bytes)
        data = fetch(self._connection, self._row, start, stop).toreadonly()
        self.moved += len(data)
        for place in range(count):
            block = data[place * BLOCK : (place + 1) * BLOCK]
            number = first + place
            if hashlib.sha256(block).digest() != self._checksums[32 * number : 32 * number + 32]:
                raise damaged(self._row, f"another checksum of its block {number}")
            self._blocks[number] = block
