"""A learner's own file, read without guessing: CSV or Parquet into cars frames.

What the file says is kept: a VIN of digits stays text, "NA" is a text like any other, and only an
empty cell is missing. In the columns that hold numbers or truth values, each cell is judged alone:
"10900" becomes a number, "$10,900" stays the text it is, for preparing to refuse that row.

- `read_cars`: the whole file as one frame.
- `iter_cars`: the same rows as a series of frames, for a file larger than the memory.

The bytes are `carlib.tabular`'s.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from numbers import Integral
from os import PathLike

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from carlib.errors import BadArgument
from carlib.tabular import TabularFile
from carlib.text import did_you_mean

_TEXTS = ("brand", "model", "vin", "color")
_NUMBERS = ("engine_size", "price")
_FLAG = "status"

# What Arrow parses as a number, without its words "nan" and "inf", which are texts here.
_NUMBER = r"\A[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?\z"

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

        `brand`, `model`, `vin` and `color` are `str`, like the columns of a CSV file that we don't
        know. In CSV, a cell of `engine_size` or `price` that is a number becomes a float, and one
        of `status` that is true or false, in any case of letters, a bool; other text stays as it
        is. Where no such text is, `engine_size` and `price` are float64, NaN where empty, and
        `status` is bool, or the nullable `boolean` if some cells are empty; else the column is of
        dtype object, with the same values. A Parquet file declares its types: text stays text.

    Raises:
        UnreadableFile: There is no such file, or it is of another kind, damaged, or not UTF-8.
        BadArgument: `rename` names a column that the file does not have, or makes two columns one.
    """
    source = TabularFile(path)
    ours = _rename(source.names, rename)
    table = pa.Table.from_batches(_plain(batch, ours) for batch in source.batches())
    return _frame(table, source.typed)


def iter_cars(
    path: str | PathLike[str], rename: Mapping[str, str] | None = None, rows: int = 200_000
) -> Iterator[pd.DataFrame]:
    """Read a CSV or Parquet file a piece at a time, in bounded memory.

    Like `read_cars`, whose result these frames are when put together by `pandas.concat`. A frame
    alone may have a narrower dtype than the whole: float64 where a text stands further down. A file
    without rows gives one frame without rows.

    Args:
        path: As in `read_cars`.
        rename: As in `read_cars`.
        rows: How many rows a frame has; the last one may have fewer.

    Returns:
        An iterator of frames, each with an index that begins at 0.

    Raises:
        UnreadableFile: As in `read_cars`. What is wrong beyond the first line is found on the way,
            when frames before it may have been handed out.
        BadArgument: As in `read_cars`; or `rows` is not a whole number above 0.
    """
    if isinstance(rows, bool) or not isinstance(rows, Integral) or rows < 1:
        raise BadArgument(f"rows is a whole number, 1 or more; found {rows!r}.")
    source = TabularFile(path)
    ours = _rename(source.names, rename)
    pieces = (_plain(batch, ours) for batch in source.batches())
    return (_frame(table, source.typed) for table in _regroup(pieces, int(rows)))


def _rename(names: list[str], rename: Mapping[str, str] | None) -> dict[str, str]:
    """Return our name for each of the file's columns."""
    rename = dict(rename or {})
    for name, our in rename.items():
        if name not in names:
            raise BadArgument(
                f"rename has {name!r}; the file's columns are {names}."
                f"{did_you_mean(str(name), names)}"
            )
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


def _frame(table: pa.Table, typed: bool) -> pd.DataFrame:
    """Turn a table into a frame; unless its file is `typed`, parse the texts of columns we know."""
    texts: dict[str, pa.ChunkedArray] = {}  # of the cells that are something else than expected
    for name in () if typed else (*_NUMBERS, _FLAG):
        if name in table.schema.names:
            column = table.column(name)
            parsed = _parse_flags(column) if name == _FLAG else _parse_numbers(column)
            if parsed.null_count > column.null_count:
                texts[name] = pc.if_else(pc.is_null(parsed), column, None)
            table = table.set_column(table.schema.get_field_index(name), name, parsed)
    frame = table.to_pandas(types_mapper=_NULLABLE.get)
    if frame.dtypes.get(_FLAG) == "boolean" and table.column(_FLAG).null_count == 0:
        frame[_FLAG] = frame[_FLAG].astype(bool)
    for name, column in texts.items():
        values = frame[name].to_numpy(dtype=object)
        values[pc.is_valid(column).to_numpy()] = column.drop_null().to_pylist()
        frame[name] = pd.Series(values, dtype=object)
    return frame


def _parse_numbers(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Parse each text that is a finite number; what is none becomes null."""
    words = pc.ascii_trim_whitespace(texts)
    try:
        numbers = words.cast(pa.float64())
    except pa.ArrowInvalid:  # one text that is no number
        is_number = pc.match_substring_regex(words, _NUMBER)
        numbers = pc.if_else(is_number, words, None).cast(pa.float64())
    return pc.if_else(pc.is_finite(numbers), numbers, None)


def _parse_flags(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Parse each text that is true or false, in any case of letters; what is neither is null."""
    words = pc.ascii_lower(pc.ascii_trim_whitespace(texts))
    known = pc.is_in(words, value_set=pa.array(["true", "false"]))
    return pc.if_else(known, pc.equal(words, "true"), None)
