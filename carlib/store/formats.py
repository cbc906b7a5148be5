"""The five formats: a frame to bytes and back, as pyarrow and pandas write them for everybody.

Parquet and Feather are pyarrow's, json and jsonb are pandas' `orient="table"`, pickle is Python's.
What a format loses is told by column, without any tolerance: 0.1 and the next float after it
differ, 1 and 1.0 do, -0.0 and 0.0, Decimal("1.5") and Decimal("1.50"), None and NaN, one instant in
two time zones. Two NaN are equal.
"""

import hashlib
import io
import json
import pickle
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq

from carlib.errors import BadArgument, LossyFormat

COMPRESSIONS = {
    "pickle": ("none", "gzip", "zstd"),
    "json": ("none", "gzip", "zstd"),
    "jsonb": ("none",),
    "parquet": ("none", "snappy", "gzip", "zstd", "lz4"),
    "feather": ("none", "zstd", "lz4"),
}
DEFAULT_COMPRESSION = "zstd"


def check_format(format: str, compression: str) -> str:
    """Return the compression to use, or raise BadArgument."""
    if format not in COMPRESSIONS:
        raise BadArgument(f"format is one of {', '.join(COMPRESSIONS)}; found {format!r}.")
    if format == "jsonb" and compression == DEFAULT_COMPRESSION:
        return "none"
    if compression not in COMPRESSIONS[format]:
        known = ", ".join(COMPRESSIONS[format])
        raise BadArgument(f"compression of {format} is one of {known}; found {compression!r}.")
    return compression


def encode(frame: pd.DataFrame, format: str, compression: str) -> memoryview:
    """Turn a frame into bytes, or raise LossyFormat if the format can't hold it."""
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

    A pickle is not read back: it keeps all that Python can pickle, and reading it runs it. What
    can't be read back raises LossyFormat.
    """
    if format == "pickle":
        return []
    try:
        return differences(frame, decode(data, format, compression))
    except Exception as error:
        raise _refusal(frame, format, error) from error


def decode(data: memoryview, format: str, compression: str) -> pd.DataFrame:
    """Turn bytes into a frame, or raise whatever pandas or pyarrow say of bytes that are not of it.

    Only `format="pickle"` unpickles.
    """
    source: Any = pa.BufferReader(pa.py_buffer(data))
    if format == "parquet":
        return pq.ParquetFile(source).read().to_pandas()
    if format == "feather":
        return pa.feather.read_table(source).to_pandas()
    if compression != "none":
        source = pa.CompressedInputStream(source, compression)
    if format == "pickle":
        frame = pickle.load(source)
        if not isinstance(frame, pd.DataFrame):
            raise TypeError(f"a {type(frame).__name__} and no DataFrame")
        return frame
    return pd.read_json(io.BytesIO(source.read()), orient="table", precise_float=True)


def differences(frame: pd.DataFrame, back: pd.DataFrame) -> list[str]:
    """Tell what of a frame is not the same in another one, `attrs` aside: a text each, or `[]`."""
    losses = []
    if type(frame) is not type(back):
        losses.append(f"the class {type(frame).__name__} became {type(back).__name__}")
    if frame.flags.allows_duplicate_labels != back.flags.allows_duplicate_labels:
        losses.append("the flag allows_duplicate_labels")
    if frame.shape != back.shape:
        return [*losses, f"{frame.shape} rows and columns became {back.shape}"]
    losses += _index("the column names", frame.columns, back.columns)
    losses += _index("the index", frame.index, back.index)
    for place, name in enumerate(frame.columns):
        columns = (_array(each.iloc[:, place]) for each in (frame, back))
        losses += [f"column {name!r}: {loss}" for loss in _values(*columns)]
    return losses


def _index(what: str, before: Any, after: Any) -> list[str]:
    if type(before) is not type(after) or before.nlevels != after.nlevels:
        return [f"{what}: {type(before).__name__} became {type(after).__name__}"]
    losses = []
    if repr(before.names) != repr(after.names):
        losses.append(f"named {[*before.names]} became {[*after.names]}")
    if getattr(before, "freq", None) != getattr(after, "freq", None):
        losses.append(f"frequency {before.freq} became {after.freq}")
    for level in range(before.nlevels):
        losses += _values(*(_array(index.get_level_values(level)) for index in (before, after)))
    return [f"{what}: {loss}" for loss in losses]


def _array(values: Any) -> Any:
    return values.to_numpy() if isinstance(values.dtype, np.dtype) else values.array


def _values(before: Any, after: Any) -> list[str]:
    if len(before) != len(after):
        return [f"{len(before)} values became {len(after)}"]
    if all(isinstance(each.dtype, pd.CategoricalDtype) for each in (before, after)):
        losses = _values(_array(before.categories), _array(after.categories))
        if before.ordered != after.ordered:
            losses.append(f"ordered {before.ordered} became {after.ordered}")
        if losses:
            return [f"categories: {loss}" for loss in losses]
        same = before.codes == after.codes
    elif before.dtype != after.dtype or repr(before.dtype) != repr(after.dtype):
        name = repr if str(before.dtype) == str(after.dtype) else str
        return [f"dtype {name(before.dtype)} became {name(after.dtype)}"]
    elif isinstance(before.dtype, np.dtype) and before.dtype != object:
        same = (before == after) | ((before != before) & (after != after))
        if before.dtype.kind == "f":
            same &= (np.signbit(before) == np.signbit(after)) | (before != 0)
    elif isinstance(before.dtype, pd.StringDtype):
        lacking = before.isna(), after.isna()
        equal = (before == after) & ~(lacking[0] | lacking[1])  # without any NA
        same = np.asarray(equal, dtype=bool) | lacking[0] & lacking[1]
    else:
        same = np.array([_same(*pair) for pair in zip(before, after, strict=True)], dtype=bool)
    different = np.flatnonzero(~same)
    if not len(different):
        return []
    row = different[0]
    first, second = (
        float(value) if isinstance(value, np.floating) else value
        for value in (before[row], after[row])
    )
    count = f"{len(different)} of {len(same)} values differ"
    return [f"{count}, in row {row} {first!r} became {second!r}"]


def _same(before: Any, after: Any) -> bool:
    """Whether two objects are the same, down to the types of what is in them."""
    if type(before) is not type(after):
        return False
    if isinstance(before, np.ndarray):
        alike = before.dtype == after.dtype and before.shape == after.shape
        return alike and _same(before.tolist(), after.tolist())
    if isinstance(before, dict):
        return _same([*before.items()], [*after.items()])
    if isinstance(before, (list, tuple)):
        return len(before) == len(after) and all(map(_same, before, after))
    return repr(before) == repr(after)


def describe(frame: pd.DataFrame, format: str, data: memoryview) -> str:
    """Describe a frame as JSON: its columns' dtypes, and checksums of a Parquet file's parts.

    They are what `read_columns` checks: a SHA-256 of the footer, and one of each column's bytes.
    """
    described = [
        {"name": name if isinstance(name, str) else repr(name), "dtype": str(dtype)}
        for name, dtype in frame.dtypes.items()
    ]
    description: dict[str, Any] = {"columns": described}
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
        description: From `describe`; a part that does not fit to it is a ValueError.
        fetch: Returns the bytes from one place up to another.
        choose: Returns the positions of the wanted columns among all names.

    Returns:
        The columns, with the number of bytes fetched in `attrs["bytes_moved"]`.
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
    with sink if compression == "none" else pa.CompressedOutputStream(sink, compression) as out:
        if format == "pickle":
            pickle.dump(frame, out, protocol=5)
        else:
            out.write(_json(frame))
    return memoryview(sink.getvalue())


def _json(frame: pd.DataFrame) -> bytes:
    values: Any
    for values in [frame.columns, frame.index, *(column for _, column in frame.items())]:
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
    with suppress(Exception):  # names that pandas can't even list
        for place, label in enumerate(frame.columns):
            try:
                alone = _encode(frame.iloc[:, [place]].reset_index(drop=True), format, "none")
                if format != "pickle":
                    decode(alone, format, "none")
            except Exception:
                culprits.append(repr(label))
    what = f"column {', '.join(culprits[:5])}" if culprits else "names or an index"
    advice = "Change that" + (', or put it with format="pickle".' if format != "pickle" else ".")
    return LossyFormat(
        f"Expected a frame that {format} can hold; found {what} that it can't: "
        f"{' '.join(str(error).split())[:300]}. Nothing was written. {advice}"
    )


def _ranges(metadata: pq.FileMetaData, leaf: int) -> list[tuple[int, int]]:
    """Where the pages of a column are, in each row group."""
    ranges = []
    for number in range(metadata.num_row_groups):
        chunk = metadata.row_group(number).column(leaf)
        start = chunk.dictionary_page_offset or chunk.data_page_offset
        ranges.append((start, start + chunk.total_compressed_size))
    return ranges


def _checksum(data: memoryview, *ranges: tuple[int, int]) -> str:
    return hashlib.sha256(b"".join(data[start:stop] for start, stop in ranges)).hexdigest()
