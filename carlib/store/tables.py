"""The tables of the store, and making them where they are missing.

`data` is stored EXTERNAL: out of line and as it is. The bytes are compressed by their format, so
TOAST would try in vain; and of bytes stored as they are, the server can hand out a part without
reading the rest (PostgreSQL documentation, "TOAST").
"""

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Engine,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSON, JSONB

from carlib.models import NAMES, NEW_KEY
from carlib.tables import create_missing
from carlib.transactions import read_committed

# Not in Base.metadata: these tables are made by the first DataFrameStore of a schema.
METADATA = MetaData(naming_convention=NAMES)

STORE = Table(
    "dataframe_store",
    METADATA,
    Column("blob_id", Uuid, primary_key=True, server_default=NEW_KEY),
    Column("name", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("format", Text, nullable=False),
    Column("compression", Text, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("columns", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("chunk_bytes", BigInteger, nullable=False),  # 0: the bytes are in this row
    Column("sha256", Text, nullable=False),  # of the bytes, or of the document's text
    Column("seal", Text, nullable=False),  # of everything else, see carlib.store.seal
    Column("blocks", LargeBinary, nullable=False),  # a SHA-256 for each block of the bytes
    Column("schema", JSON, nullable=False),  # json, not jsonb: it keeps the text as it was sent
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("data", LargeBinary),
    Column("document", JSONB),
    UniqueConstraint("name", "version"),
)

CHUNK = Table(
    "dataframe_store_chunk",
    METADATA,
    Column(
        "blob_id", ForeignKey(STORE.c.blob_id, ondelete="CASCADE"), primary_key=True, nullable=False
    ),
    Column("number", Integer, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)

# The last version that each name ever had. It stays when versions are deleted, so that no number
# is used twice; and its row is the lock for which a second writer of the same name waits.
LAST_VERSION = Table(
    "dataframe_store_name",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("last_version", Integer, nullable=False),
)

EXTERNAL = "ALTER TABLE {} ALTER COLUMN data SET STORAGE EXTERNAL"


def make_store_tables(engine: Engine) -> None:
    """Create those of the store's tables that are missing in the engine's schema.

    Raises:
        TableMismatch: Something of a table's name exists, but it is no table or has other columns.
            Nothing is created then.
    """
    with read_committed(engine) as connection:
        for table in create_missing(connection, METADATA, "carlib.store"):
            if "data" in table.columns:
                connection.execute(text(EXTERNAL.format(table.name)))
