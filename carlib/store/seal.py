"""Checksums of what is stored: of all bytes, of each block, and of what the row says about them.

The SHA-256 of the bytes is what `sha256(data)` gives in SQL. Reading a part of a blob checks the
blocks it read. The seal is a SHA-256 over the rest of the row, these checksums included, so that a
changed format, schema or block list is noticed too. This tells damage, not malice: who can write to
the database can write new checksums.
"""

import hashlib
import json

from sqlalchemy.engine import Row

from carlib.errors import DamagedData

BLOCK = 64 * 1024
SEALED = (
    "name", "version", "format", "compression", "rows", "columns", "bytes", "chunk_bytes",
    "sha256",
)  # fmt: skip


def checksum(data: bytes | memoryview) -> str:
    """The SHA-256 as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def block_checksums(data: memoryview) -> bytes:
    """The SHA-256 of each block of `BLOCK` bytes, 32 bytes each, one after the other."""
    return b"".join(
        hashlib.sha256(data[start : start + BLOCK]).digest() for start in range(0, len(data), BLOCK)
    )


def seal(values: dict[str, object], schema: str, blocks: bytes) -> str:
    """The checksum over what a row says, apart from the bytes."""
    sealed = [[values[name] for name in SEALED], checksum(schema.encode()), checksum(blocks)]
    return checksum(json.dumps(sealed).encode())


def called(row: Row) -> str:
    """How messages name a blob."""
    return f"the frame {row.name!r}, version {row.version} ({row.format})"


def damaged(row: Row, found: str) -> DamagedData:
    """The error for a blob that is not what was written."""
    return DamagedData(
        f"Expected {called(row)} as it was written; found {found}. Bring the row back from a "
        "backup, or delete this version and get an older one."
    )


def check_seal(row: Row) -> None:
    """Raise DamagedData unless the row says what was written, the bytes apart."""
    if seal(row._asdict(), row.schema_text, bytes(row.blocks)) != row.seal:
        raise damaged(row, "that its description (format, schema, sizes or checksums) has changed")
