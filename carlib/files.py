"""A learner's own file, read without guessing: CSV or Parquet into cars frames.

What the file says is kept: a VIN of digits stays text, "NA" is a text like any other, and only an
empty cell is missing. Numbers become numbers where the whole column is numeric. One "$10,900" in
it, and the whole column stays text, for preparing to refuse: beside it, what is "10.900"?

- `read_cars`: the whole file as one frame.
- `iter_cars`: the same rows as a series of frames, for a file larger than the memory.

Whether a whole column is numeric is known only after its last row. So `iter_cars` goes through the
file twice, and each value comes out of both functions the same. The bytes are `carlib.tabular`'s.
"""

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from numbers import Integral
from os import PathLike
from typing import NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from carlib.errors import BadArgument
from carlib.tabular import TabularFile

_TEXTS = ("brand", "model", "vin", "color")
_NUMBERS = ("engine_size", "price")
_FLAG = "status"

# Pandas' types for whole numbers and truth values that can also be missing: a column of a Parquet
# file has the same type in a piece where none is missing as in the whole.
_NULLABLE = {
    pa.type_for_alias(name.lower()): pd.api.types.pandas_dtype(name)
    for name in ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64")
} | {pa.bool_(): pd.BooleanDtype()}


def read_cars(path: str | PathLike[str], rename: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Read a whole CSV or Parquet file as one frame.

    Args:
        path: A file that ends in .csv or .tsv (commas or tabs, the names in the first line, quotes
            around cells that need them, UTF-8), the same with .gz, or .parquet.
        rename: Which of the file's columns are which of ours, as `{"Make": "brand"}`.

    Returns:
        All rows and all columns, unknown ones too: preparing judges them. Left out is only a
        column without a name, as pandas writes its index.

        `brand`, `model`, `vin` and `color` are `str`. `engine_size` and `price` are float64 if each
        cell is a number or empty, else `str`. `status` is bool if each cell is true or false in any
        case of letters, the nullable `boolean` if some are empty, else `str`. The other columns of
        a CSV file are `str`.

    Raises:
        UnreadableFile: There is no such file, or it is of another kind, damaged, or not UTF-8.
        BadArgument: `rename` names a column that the file does not have, or makes two columns one.
    """
    source = TabularFile(path)
    ours = _rename(source.names, rename)
    table = pa.Table.from_batches(_plain(batch, ours) for batch in source.batches())
    return _frame(table, _find_types([table]))


def iter_cars(
    path: str | PathLike[str], rename: Mapping[str, str] | None = None, rows: int = 200_000
) -> Iterator[pd.DataFrame]:
    """Read a CSV or Parquet file a piece at a time, in bounded memory.

    Like `read_cars`, whose result these frames are when put together, types included. A file
    without rows gives one frame without rows.

    Args:
        path: As in `read_cars`.
        rename: As in `read_cars`.
        rows: How many rows a frame has; the last one may have fewer.

    Returns:
        An iterator of frames, each with an index that begins at 0.

    Raises:
        UnreadableFile: As in `read_cars`. What is wrong beyond the first line is found before the
            first frame is handed out, not before this call returns.
        BadArgument: As in `read_cars`; or `rows` is not a whole number above 0.
    """
    if isinstance(rows, bool) or not isinstance(rows, Integral) or rows < 1:
        raise BadArgument(f"rows is a whole number, 1 or more; found {rows!r}.")
    source = TabularFile(path)
    ours = _rename(source.names, rename)
    judged = [name for name, our in ours.items() if our in (*_NUMBERS, _FLAG)]

    def frames() -> Iterator[pd.DataFrame]:
        types = _find_types(_plain(batch, ours) for batch in source.batches(judged))
        pieces = (_plain(batch, ours) for batch in source.batches())
        for table in _regroup(pieces, int(rows)):
            yield _frame(table, types)

    return frames()


def _rename(names: list[str], rename: Mapping[str, str] | None) -> dict[str, str]:
    """Return our name for each of the file's columns."""
    rename = dict(rename or {})
    for name, our in rename.items():
        if name not in names:
            lower = {each.lower(): each for each in names}
            near = difflib.get_close_matches(str(name).lower(), lower, n=1, cutoff=0)
            meant = f" Did you mean {lower[near[0]]!r}?" if near else ""
            raise BadArgument(f"rename has {name!r}; the file's columns are {names}.{meant}")
        if not isinstance(our, str):
            raise BadArgument(f"rename gives {name!r} a new name that is a text; found {our!r}.")
    ours = {name: rename.get(name, name) for name in names}
    for our, count in Counter(ours.values()).items():
        if count > 1:
            both = [name for name in names if ours[name] == our]
            raise BadArgument(
                f"Each column has a name of its own; with rename, {both} are all {our!r}. "
                "Rename one of them to something else."
            )
    return ours


def _plain(batch: pa.RecordBatch, ours: Mapping[str, str]) -> pa.RecordBatch:
    """Give a batch our names, and the columns we know one type each for what means the same."""
    columns = {ours[name]: batch.column(name) for name in batch.schema.names}
    for name, column in columns.items():
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        if name in _TEXTS and (pa.types.is_integer(column.type) or pa.types.is_null(column.type)):
            column = column.cast(pa.string())  # a Peugeot 208 is called "208"
        elif name in _NUMBERS and _is_number(column.type):
            # Through text, as 1.6 in 32 bits means 1.6, and Arrow's decimals lose their last digit.
            column = column.cast(pa.string()).cast(pa.float64())
        elif name == _FLAG and pa.types.is_null(column.type):
            column = column.cast(pa.bool_())
        columns[name] = column
    return pa.RecordBatch.from_pydict(columns)


def _is_number(kind: pa.DataType) -> bool:
    return (
        pa.types.is_integer(kind)
        or (pa.types.is_floating(kind) and kind != pa.float64())
        or pa.types.is_decimal(kind)
        or pa.types.is_null(kind)
    )


class _Types(NamedTuple):
    """What holds for all rows of a file."""

    parsed: frozenset[str]  # the columns whose text says only numbers, or only true and false
    flag_missing: bool  # whether a status is missing


def _find_types(tables: Iterable[pa.RecordBatch | pa.Table]) -> _Types:
    parsed, flag_missing = {*_NUMBERS, _FLAG}, False
    for table in tables:
        for name in parsed & set(table.schema.names):
            if _is_text(table.column(name).type) and _parse(name, table.column(name)) is None:
                parsed.remove(name)
        if _FLAG in table.schema.names:
            flag_missing |= table.column(_FLAG).null_count > 0
    return _Types(frozenset(parsed), flag_missing)


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or kind == pa.string_view()


def _parse(name: str, column: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray | None:
    """Parse all texts of a column as what the column holds; None if one of them is not that."""
    words = pc.ascii_trim_whitespace(column.cast(pa.string()))
    if name == _FLAG:
        words = pc.ascii_lower(words)
        known = pc.is_in(words, value_set=pa.array(["true", "false", None]))
        return pc.equal(words, "true") if pc.all(known, min_count=0).as_py() else None
    try:
        numbers = words.cast(pa.float64())
    except pa.ArrowInvalid:
        return None
    # "nan" and "inf" are words here, not numbers.
    return numbers if pc.all(pc.is_finite(numbers), min_count=0).as_py() else None


def _regroup(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.Table]:
    """Cut batches of any size into tables of `rows` rows; one without rows if there is none."""
    held: list[pa.RecordBatch] = []
    count, first = 0, True
    for batch in batches:
        held.append(batch)
        count += len(batch)
        while count > rows:
            table = pa.Table.from_batches(held)
            yield table.slice(0, rows)
            held, count, first = table.slice(rows).to_batches(), count - rows, False
    if count or first:
        yield pa.Table.from_batches(held)


def _frame(table: pa.Table, types: _Types) -> pd.DataFrame:
    for position, name in enumerate(table.schema.names):
        if name in types.parsed and _is_text(table.schema.types[position]):
            table = table.set_column(position, name, _parse(name, table.column(name)))
    frame = table.to_pandas(types_mapper=_NULLABLE.get)
    if not types.flag_missing and frame.dtypes.get(_FLAG) == "boolean":
        frame[_FLAG] = frame[_FLAG].astype(bool)
    return frame
