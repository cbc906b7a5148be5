"""What a put tells about what it stored."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class StoredFrame:
    """What a put stored.

    Attributes:
        name: The frame's name.
        version: Its version, from 1.
        format: One of pickle, json, jsonb, parquet, feather.
        compression: One of none, snappy, gzip, zstd, lz4.
        rows: The number of rows.
        columns: The number of columns.
        bytes: The size of what was stored; for jsonb, of the document's text.
        sha256: The checksum of these bytes, as 64 hexadecimal digits.
        created_at: When it was stored, by the server's clock.
        losses: What is different when it is read back, as accepted; else empty.
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
