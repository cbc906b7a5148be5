"""The five formats: a frame to bytes and back, as pyarrow and pandas write them for everybody.

Parquet and Feather are pyarrow's, json and jsonb are pandas' `orient="table"`, pickle is Python's.
"""

import hashlib
import io
import json
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq

from carlib.errors import BadArgument, LossyFormat
from carlib.store.differences import differences

COMPRESSIONS = {
    "pickle": ("none", "gzip", "zstd"),
    "json": ("none", "gzip", "zstd"),
    "jsonb": ("none",),
    "parquet": ("none", "snappy", "gzip", "zstd", "lz4"),
    "feather": ("none", "zstd", "lz4"),
}
DEFAULT_COMPRESSION = "zstd"


def check_format(format: str, compression: str) -> str:
    """Return the compression to use.

    Raises:
        BadArgument: There is no such format, or it does not have that compression.
    """
    if format not in COMPRESSIONS:
        raise BadArgument(f"format is one of {', '.join(COMPRESSIONS)}; found {format!r}.")
    if format == "jsonb" and compression == DEFAULT_COMPRESSION:
        return "none"
    if compression not in COMPRESSIONS[format]:
        known = ", ".join(COMPRESSIONS[format])
        raise BadArgument(f"compression of {format} is one of {known}; found {compression!r}.")
    return compression


def encode(frame: pd.DataFrame, format: str, compression: str) -> memoryview:
    """Turn a frame into bytes.

    Raises:
        LossyFormat: The format can't hold the frame.
    """
    frame = frame.copy(deep=False)
    frame.attrs = {}
    try:
        return _encode(frame, format, compression)
    except MemoryError:
        raise
    except Exception as error:  # of any type: pandas and pyarrow have many
        raise _refusal(frame, format, error) from error


def losses(frame: pd.DataFrame, data: memoryview, format: str, compression: str) -> list[str]:
    """Read an encoded frame back and tell, by column, what differs from the original.

    A pickle is not read back: it keeps all that Python can pickle, and reading it runs it.

    Raises:
        LossyFormat: It can't be read back.
    """
    if format == "pickle":
        return []
    try:
        return differences(frame, decode(data, format, compression))
    except Exception as error:
        raise _refusal(frame, format, error) from error


def decode(data: memoryview, format: str, compression: str) -> pd.DataFrame:
    """Turn bytes into a frame. Only `format="pickle"` unpickles.

    Raises:
        Exception: Whatever pandas or pyarrow say of bytes that are not of this format.
    """
    buffer = pa.py_buffer(data)
    if format == "parquet":
        return pq.ParquetFile(buffer).read().to_pandas()
    if format == "feather":
        return pa.feather.read_table(pa.BufferReader(buffer)).to_pandas()
    source: Any = pa.BufferReader(buffer)
    if compression != "none":
        source = pa.CompressedInputStream(source, compression)
    if format == "pickle":
        frame = pickle.load(source)
        if not isinstance(frame, pd.DataFrame):
            raise TypeError(f"a {type(frame).__name__} and no DataFrame")
        return frame
    return pd.read_json(io.BytesIO(source.read()), orient="table", precise_float=True)


def describe(frame: pd.DataFrame, format: str, data: memoryview) -> str:
    """Describe a frame as JSON: its columns' dtypes, and checksums of a Parquet file's parts.

    They are what `read_columns` checks: a SHA-256 of the footer, and one of each column's bytes.
    """
    description: dict[str, Any] = {
        "columns": [
            {"name": name if isinstance(name, str) else repr(name), "dtype": str(dtype)}
            for name, dtype in frame.dtypes.items()
        ]
    }
    if format == "parquet":
        metadata = pq.read_metadata(pa.BufferReader(data))
        footer = data[-metadata.serialized_size - 8 :]  # its length and "PAR1" follow it
        description["footer"] = {"bytes": len(footer), "sha256": hashlib.sha256(footer).hexdigest()}
        leaves = range(metadata.num_columns)
        description["parts"] = [_checksum(data, *_ranges(metadata, leaf)) for leaf in leaves]
    return json.dumps(description)


def read_columns(
    size: int,
    description: dict[str, Any],
    fetch: Callable[[int, int], memoryview],
    choose: Callable[[pd.Index], list[int]],
) -> pd.DataFrame:
    """Read some columns of a Parquet file, of which nothing but these and the footer is fetched.

    Args:
        size: The file's size in bytes.
        description: From `describe`.
        fetch: Returns the bytes from one place up to another.
        choose: Returns the positions of the wanted columns among all names.

    Returns:
        The columns, with the number of bytes fetched in `attrs["bytes_moved"]`.

    Raises:
        ValueError: A part is not what was written.
    """
    file = np.zeros(size, dtype=np.uint8)  # memory that is never written to is never taken
    view, footer = file.data, description["footer"]
    start = size - footer["bytes"]
    view[start:] = fetch(start, size)
    if _checksum(view, (start, size)) != footer["sha256"]:
        raise ValueError("another checksum of the footer")
    parquet = pq.ParquetFile(pa.py_buffer(file))
    schema = parquet.schema_arrow
    labels = schema.empty_table().to_pandas().columns
    positions = choose(labels)
    names = [schema.names[place] for place in [*positions, *range(len(labels), len(schema))]]
    wanted, moved = set(names), footer["bytes"]
    for leaf in range(parquet.metadata.num_columns):
        path = parquet.metadata.schema.column(leaf).path
        # For the name "a", pyarrow reads "a.b" as well: it may be a part of "a".
        if any(path[:end] in wanted for end, letter in enumerate(f"{path}.") if letter == "."):
            ranges = _ranges(parquet.metadata, leaf)
            for start, stop in ranges:
                view[start:stop] = fetch(start, stop)
                moved += stop - start
            if _checksum(view, *ranges) != description["parts"][leaf]:
                raise ValueError(f"another checksum of the column {path!r}")
    frame = parquet.read(columns=names).select(names).to_pandas()
    frame.columns = labels.take(positions)
    frame.attrs["bytes_moved"] = moved
    return frame


def _encode(frame: pd.DataFrame, format: str, compression: str) -> memoryview:
    sink = pa.BufferOutputStream()
    if format in ("parquet", "feather"):
        table = pa.Table.from_pandas(frame)
        if format == "parquet":
            pq.write_table(table, sink, compression=compression)
        else:
            codec = "uncompressed" if compression == "none" else compression
            pa.feather.write_feather(table, sink, compression=codec)
        return memoryview(sink.getvalue())
    out = sink if compression == "none" else pa.CompressedOutputStream(sink, compression)
    if format == "pickle":
        pickle.dump(frame, out, protocol=5)
    else:
        out.write(_json(frame))
    if out is not sink:
        out.close()
    return memoryview(sink.getvalue())


def _json(frame: pd.DataFrame) -> bytes:
    levels = [frame.index.get_level_values(level) for level in range(frame.index.nlevels)]
    values: Any
    for values in [frame.columns, *levels, *(column for _, column in frame.items())]:
        if values.dtype.kind not in "biuf":
            list(values)  # an instant in a zone after the year 9999: an error here, a crash there
    if frame.columns.has_duplicates:
        raise ValueError("two columns have one name")
    plain = isinstance(frame.index, pd.RangeIndex)  # pandas would read it back as another index
    text = frame.to_json(
        orient="table", date_unit="ns", double_precision=15, force_ascii=False, index=not plain
    )
    return text.encode()


def _refusal(frame: pd.DataFrame, format: str, error: Exception) -> LossyFormat:
    """Name the columns that the format can't hold, and a format that can."""
    culprits = []
    try:
        for place, label in enumerate(frame.columns):
            alone = frame.iloc[:, [place]].reset_index(drop=True)
            try:
                data = _encode(alone, format, "none")
                if format != "pickle":
                    decode(data, format, "none")
            except Exception:
                culprits.append(repr(label))
    except Exception:
        culprits = []  # names that pandas can't even list
    what = f"column {', '.join(culprits[:5])}" if culprits else "names or an index"
    advice = "Change that" + (', or put it with format="pickle".' if format != "pickle" else ".")
    return LossyFormat(
        f"Expected a frame that {format} can hold; found {what} that it can't: "
        f"{' '.join(str(error).split())[:300]}. Nothing was written. {advice}"
    )


def _ranges(metadata: pq.FileMetaData, leaf: int) -> list[tuple[int, int]]:
    """Where the pages of a column are, in each row group."""
    chunks = (metadata.row_group(number).column(leaf) for number in range(metadata.num_row_groups))
    return [
        (start := chunk.dictionary_page_offset or chunk.data_page_offset,
         start + chunk.total_compressed_size)
        for chunk in chunks
    ]  # fmt: skip


def _checksum(data: memoryview, *ranges: tuple[int, int]) -> str:
    return hashlib.sha256(b"".join(data[start:stop] for start, stop in ranges)).hexdigest()
