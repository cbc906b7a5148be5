"""Parquet and Feather: a frame as an Arrow table in a file, whole or some columns of it.

Any reader of these formats can read the files; what pandas has beyond Arrow is in the schema.
"""

from collections.abc import Sequence
from contextlib import suppress

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from carlib.errors import LossyFormat
from carlib.store.exact import Values, values_of
from carlib.store.json_layout import describe_categories
from carlib.store.json_read import category_dtype
from carlib.store.pandas_meta import (
    LEVEL,
    describe,
    dtype_of,
    objects,
    refuse,
    restore,
    restore_values,
)

# What comes back exactly for any values, as tests/carlib/test_store_formats.py tries
# to disprove. Columns of other dtypes are decoded and compared before they are stored.
SURE = {
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float32", "float64", "boolean", "Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16",
    "UInt32", "UInt64", "datetime64[ms]", "datetime64[us]", "datetime64[ns]", "text",
    "datetime64[ms, UTC]", "datetime64[us, UTC]", "datetime64[ns, UTC]",
}  # fmt: skip


def encode(frame: pd.DataFrame, format: str, compression: str) -> tuple[pa.Buffer, dict]:
    """Write a frame as a file in memory.

    Returns:
        The file's bytes, and the frame's description.

    Raises:
        LossyFormat: Arrow has no type for a column, or its values have several.
    """
    description = describe(frame, format)
    _describe_categories(frame, description, format)
    table = _table(frame, format)
    sink = pa.BufferOutputStream()
    codec = None if compression == "none" else compression
    try:
        if format == "parquet":
            pq.write_table(table, sink, compression=codec or "NONE")
        else:
            options = pa.ipc.IpcWriteOptions(compression=codec)
            with pa.ipc.new_file(sink, table.schema, options=options) as writer:
                writer.write_table(table)
    except pa.ArrowException as error:
        raise refuse(format, "a column", f"its type has no place there ({error})") from error
    return sink.getvalue(), description


def decode(
    source: object, format: str, description: dict, rows: int, positions: Sequence[int]
) -> pd.DataFrame:
    """Read a file back, or those of its columns that stand at `positions`.

    Args:
        source: The bytes as an Arrow buffer, or a seekable file.
        format: parquet or feather.
        description: What `encode` returned.
        rows: How many rows there are.
        positions: Which columns, counted from 0.
    """
    index, labels = description["index"], description["columns"]["labels"]
    levels = [LEVEL.format(i) for i in range(len(index.get("levels", ())))]
    names = [*(str(labels[i]) for i in positions), *levels]
    if format == "parquet":
        with pq.ParquetFile(source, pre_buffer=True) as file:
            table = file.read(columns=names) if names else None
    else:
        with pa.ipc.open_file(source) as file:
            table = file.read_all()
    kinds = [*(description["dtypes"][i] for i in positions), *index.get("levels", ())]
    values = [_values(table, name, kind) for name, kind in zip(names, kinds, strict=True)]
    columns, index_values = values[: len(positions)], values[len(positions) :]
    return restore(columns, list(positions), index_values, description, rows)


def _describe_categories(frame: pd.DataFrame, description: dict, format: str) -> None:
    """Note the categories, since a Parquet file holds only those that occur."""
    levels = [frame.index.get_level_values(i).dtype for i in range(frame.index.nlevels)]
    kinds = [*description["dtypes"], *description["index"].get("levels", ())]
    for dtype, kind in zip([*frame.dtypes, *levels], kinds, strict=False):
        if isinstance(dtype, pd.CategoricalDtype):
            with suppress(LossyFormat):  # then it is seen whether Arrow brings them back
                describe_categories(dtype, kind, "a column", format, [])


def _table(frame: pd.DataFrame, format: str) -> pa.Table:
    """One column after the other, so that a refusal names the column."""
    index = frame.index
    parts = [(f"the column {str(n)!r}", str(n), column) for n, column in frame.items()]
    if not isinstance(index, pd.RangeIndex):
        for i in range(index.nlevels):
            level = pd.Series(values_of(index.get_level_values(i)))
            parts.append(("the index", LEVEL.format(i), level))
    arrays = []
    for what, _, series in parts:
        try:
            array = pa.array(series, from_pandas=True)
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            why = f"Arrow has no type for it ({str(error).splitlines()[0][:200]})"
            raise refuse(format, what, why) from error
        arrays.append(array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array]))
    return pa.Table.from_arrays(arrays, names=[name for _, name, _ in parts])


def _values(table: pa.Table, name: str, kind: dict) -> Values:
    column = table.column(name)
    if kind["dtype"] == "object":
        return objects(column.to_pylist(), kind)
    if "categories" in kind:
        return pd.Categorical(column.to_pandas(), dtype=category_dtype(kind))
    wanted = dtype_of(kind)
    if hasattr(wanted, "__from_arrow__"):
        return wanted.__from_arrow__(column)
    return values_of(restore_values(column.to_pandas(), kind))
