"""One row of the store: written together with its bytes, found again, and its bytes fetched."""

import hashlib
import struct
from collections.abc import Iterator

from sqlalchemy import text
from sqlalchemy.engine import Connection, Row

from carlib.errors import NotFound
from carlib.store.binary_copy import Field, copy_in, copy_out
from carlib.store.byte_ranges import fetch
from carlib.store.seal import block_checksums, check_seal, checksum, damaged, seal

CHUNK_BYTES = 256 * 2**20  # a larger blob is cut: a field holds 1 GB at most, copies included

NEXT_VERSION = text("""
INSERT INTO dataframe_store_name AS n (name, last_version) VALUES (:name, 1)
ON CONFLICT (name) DO UPDATE SET last_version = n.last_version + 1
RETURNING last_version, CAST(uuidv7() AS text)
""")
# The row without its bytes and its document.
FIND = """
SELECT blob_id, name, version, format, compression, "rows", columns, bytes, chunk_bytes, sha256,
    seal, blocks, CAST(schema AS text) AS schema_text, created_at,
    coalesce(octet_length(data), 0) + coalesce(
        (SELECT sum(octet_length(c.data)) FROM dataframe_store_chunk c
         WHERE c.blob_id = s.blob_id), 0) AS there
FROM dataframe_store s WHERE name = :name
"""
NEWEST = text(FIND + "ORDER BY version DESC LIMIT 1")
OF_VERSION = text(FIND + "AND version = :version")
DOCUMENT = """
SELECT convert_to(CAST(document AS text), 'UTF8') FROM dataframe_store WHERE blob_id = %(blob)s
"""
# What the server made of a document: it keeps no spaces, no order of keys, no way to write numbers.
SETTLE = text("""
UPDATE dataframe_store SET sha256 = :sha256, bytes = :bytes, seal = :seal WHERE blob_id = :blob
""")
# The sizes of values stored out of line are in their pointers: no byte of them is read.
LIST = text("""
SELECT name, version, format, compression, "rows", columns, bytes,
    coalesce(pg_column_size(data), 0) + coalesce(pg_column_size(document), 0) + coalesce(
        (SELECT sum(pg_column_size(c.data)) FROM dataframe_store_chunk c
         WHERE c.blob_id = s.blob_id AND s.chunk_bytes > 0), 0) AS stored_bytes,
    created_at
FROM dataframe_store s ORDER BY name COLLATE "C", version
""")
DELETE = "DELETE FROM dataframe_store WHERE name = :name"
TEXTS = ("name", "format", "compression", "sha256", "seal", "schema")
LONG = ("rows", "columns", "bytes", "chunk_bytes")


def write(connection: Connection, values: dict[str, object], schema: str, data: memoryview) -> Row:
    """Add a row with the next version of its name.

    Whoever writes the same name waits here until this transaction has ended.

    Args:
        connection: The row becomes part of its transaction.
        values: Name, format, compression, rows and columns.
        schema: The frame's description, as JSON.
        data: The bytes; for JSONB the document's text.

    Returns:
        The row as it is found.
    """
    version, blob = connection.execute(NEXT_VERSION, {"name": values["name"]}).one()
    document = values["format"] == "jsonb"
    chunk_bytes = CHUNK_BYTES if len(data) > CHUNK_BYTES and not document else 0
    blocks = b"" if document else block_checksums(data)
    values = values | {"version": version, "bytes": len(data), "chunk_bytes": chunk_bytes}
    values["sha256"] = checksum(data)
    values["seal"] = seal(values, schema, blocks)
    blob_id = bytes.fromhex(blob.replace("-", ""))
    fields: dict[str, Field] = {"blob_id": blob_id, "blocks": blocks}
    fields |= {name: str((values | {"schema": schema})[name]).encode() for name in TEXTS}
    fields |= {name: struct.pack(">q", values[name]) for name in LONG}
    fields["version"] = struct.pack(">i", version)
    if document:
        fields["document"] = b"\1" + bytes(data)  # the version of jsonb's binary form
    elif not chunk_bytes:
        fields["data"] = data
    copy_in(connection, "dataframe_store", list(fields), [list(fields.values())])
    if chunk_bytes:
        chunks = _chunks(blob_id, data, chunk_bytes)
        copy_in(connection, "dataframe_store_chunk", ["blob_id", "number", "data"], chunks)
    if document:
        _settle(connection, values, schema, blob)
    return connection.execute(OF_VERSION, {"name": values["name"], "version": version}).one()


def find(connection: Connection, name: str, version: int | None) -> Row:
    """Find a version, or the newest one, and check what the row says.

    Raises:
        NotFound: There is none.
        DamagedData: The row is not what was written.
    """
    query = NEWEST if version is None else OF_VERSION
    row = connection.execute(query, {"name": name, "version": version}).one_or_none()
    if row is None:
        raise not_found(name, version)
    check_seal(row)
    if row.format != "jsonb" and row.there != row.bytes:
        raise damaged(row, f"{row.there:,} bytes where {row.bytes:,} were written")
    return row


def not_found(name: str, version: int | None) -> NotFound:
    """The error for a name or a version that is not there."""
    which = "" if version is None else f" in version {version}"
    return NotFound(
        f"Expected a frame stored as {name!r}{which}; found none. The store's list() shows what "
        "is there."
    )


def read(connection: Connection, row: Row) -> memoryview:
    """Fetch all bytes of a row, or its document's text, and check them.

    Raises:
        DamagedData: They are not those that were written.
    """
    found = hashlib.sha256()
    if row.format == "jsonb":
        data = memoryview(_document(connection, str(row.blob_id)))
        found.update(data)
    else:
        data = fetch(connection, row, 0, row.bytes, found.update)
    if found.hexdigest() != row.sha256:
        raise damaged(row, "another checksum of its bytes")
    return data


def _document(connection: Connection, blob: str) -> bytes:
    """The text of a document, as the server gives it out."""
    parts: list[bytes] = []
    copy_out(connection, DOCUMENT, {"blob": blob}, lambda piece: parts.append(bytes(piece)))
    return b"".join(parts)


def _chunks(blob: bytes, data: memoryview, size: int) -> Iterator[list[Field]]:
    for number, start in enumerate(range(0, len(data), size)):
        yield [blob, struct.pack(">i", number), data[start : start + size]]


def _settle(connection: Connection, values: dict[str, object], schema: str, blob: str) -> None:
    """Have the checksum be that of the document as the server will give it out."""
    text_of_server = _document(connection, blob)
    values |= {"bytes": len(text_of_server), "sha256": checksum(text_of_server)}
    values["seal"] = seal(values, schema, b"")
    settled = {name: values[name] for name in ("sha256", "bytes", "seal")}
    connection.execute(SETTLE, settled | {"blob": blob})
