"""A learner's own file, read without guessing: CSV or Parquet into cars frames.

What the file says is kept: a VIN of digits stays text, "NA" is a text like any other, and only an
empty cell is missing. In the columns that hold numbers or truth values, each cell is judged alone:
"10900" becomes a number, "$10,900" stays the text it is, for preparing to refuse that row.
"""

import os
import re
import reprlib
import sys
from collections.abc import Iterator, Mapping
from numbers import Integral
from os import PathLike
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from carlib.errors import BadArgument, UnreadableFile
from carlib.tabular import TabularFile
from carlib.text import did_you_mean, printable

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


def read_cars(
    path: str | PathLike[str],
    rename: Mapping[str, str] | None = None,
    encoding: str | None = None,
) -> pd.DataFrame:
    """Read a whole CSV or Parquet file as one frame.

    Args:
        path: A file that ends in .csv or .tsv (commas or tabs, the names in the first line, quotes
            around cells that need them, rows of at most 1 MiB), the same with .gz, or .parquet.
        rename: Which of the file's columns are which of ours, as `{"Make": "brand"}`.
        encoding: Of a CSV file, by Python's name for it; by default UTF-8.

    Returns:
        All rows and all columns, unknown ones too, but none without a name: so pandas writes its
        index. Text is `str`. In CSV, a cell of `engine_size` or `price` that is a number becomes a
        float, and one of `status` that is true or false a bool; other text stays as it is. Where
        none is, the columns are float64, NaN where empty, and bool, or `boolean` if cells are
        empty; else of dtype object. A Parquet file declares its types: text stays text.

    Raises:
        UnreadableFile: There is no such file, or it is of another kind, damaged, or in another
            encoding. Says the line where there is one, and what to type.
        BadArgument: An argument is of another kind, `rename` names a column that the file does not
            have, or makes two columns one.
    """
    (cars,) = iter_cars(path, rename, sys.maxsize, encoding)
    return cars


def iter_cars(
    path: str | PathLike[str],
    rename: Mapping[str, str] | None = None,
    rows: int = 200_000,
    encoding: str | None = None,
) -> Iterator[pd.DataFrame]:
    """Read a CSV or Parquet file a piece at a time, in bounded memory.

    Like `read_cars`, whose result these frames are when put together by `pandas.concat`; its
    arguments and errors are the same, but some frames may have been handed out before. A frame
    alone may have a narrower dtype than the whole: float64 where a text stands further down.

    Args:
        path: The file.
        rename: Which of its columns are which of ours.
        rows: How many rows a frame has, 1 or more; the last one may have fewer.
        encoding: Of a CSV file.

    Returns:
        An iterator of frames, each with an index that begins at 0; of one without rows if the file
        has none.
    """
    if isinstance(rows, bool) or not isinstance(rows, Integral) or rows < 1:
        raise BadArgument(f"rows is a whole number, 1 or more; found {rows!r}.")
    if not isinstance(rename, Mapping | None):
        raise BadArgument(f'rename is a dictionary as {{"Make": "brand"}}; found {rename!r}.')
    try:
        "".encode(encoding or "utf-8")
    except (LookupError, TypeError, ValueError):
        message = f'encoding is a name that Python knows, as "cp1252"; found {encoding!r}.'
        raise BadArgument(message) from None
    source = TabularFile(_existing(path), encoding)
    return _frames(source, _names(source.names, rename or {}), int(rows))


def _existing(path: str | PathLike[str]) -> Path:
    """Return the path of a plain file; `~` is the user's own folder."""
    if not isinstance(path, str | PathLike) or not isinstance(text := os.fspath(path), str):
        found = f"{printable(reprlib.repr(path))}, of type {type(path).__name__}"
        raise BadArgument(f"path is the name of a file, a text or a pathlib.Path; found {found}.")
    name = os.path.expanduser(text)
    if os.path.isfile(name):
        return Path(name)
    found = "a folder" if os.path.isdir(name) else "nothing"
    advice = "A path that is not absolute begins at the folder of the notebook or program."
    if re.match(r"\w[\w+.-]+:/", text):
        found, advice = "an address", "Download it first: urllib.request.urlretrieve(url, name)."
    elif found == "nothing" and os.path.exists(name):
        found, advice = "a pipe or a device", "Write what comes from it into a file first."
    raise UnreadableFile(f"Expected a file at {text!r}; found {found} there. {advice}")


def _names(names: list[str], rename: Mapping[str, str]) -> dict[str, str]:
    """Return our name for each of the file's columns."""
    for name, our in rename.items():
        if name not in names:
            hint = did_you_mean(str(name), names)
            raise BadArgument(f"rename has {name!r}; the file's columns are {names}.{hint}")
        both = [old for old in names if rename.get(old, old) == our]
        if not isinstance(our, str) or len(both) > 1:
            wrong = f"with rename, {both} are all {our!r}" if both[1:] else f"found {our!r}"
            raise BadArgument(f"rename gives {name!r} a new name, a text of its own; {wrong}.")
    return {name: rename.get(name, name) for name in names}


def _frames(source: TabularFile, ours: Mapping[str, str], rows: int) -> Iterator[pd.DataFrame]:
    """Cut batches of any size into frames of `rows` rows; one without rows if there is none."""
    held: list[pa.RecordBatch] = []
    count, first = 0, True
    with source.explaining():
        for batch in source.batches():
            held.append(_plain(batch, ours))
            count += len(batch)
            while count > rows:
                table = pa.Table.from_batches(held)
                yield _frame(table.slice(0, rows), source.typed)
                held, count, first = table.slice(rows).to_batches(), count - rows, False
        if count or first:
            yield _frame(pa.Table.from_batches(held), source.typed)


def _plain(batch: pa.RecordBatch, ours: Mapping[str, str]) -> pa.RecordBatch:
    """Give a batch our names, and the columns we know one type each for what means the same."""
    columns, types = {}, pa.types
    for old, column in zip(batch.schema.names, batch.columns, strict=True):
        name = ours[old]
        if types.is_dictionary(column.type):
            column = column.dictionary_decode()
        kind = column.type
        whole = types.is_integer(kind) or types.is_null(kind)
        if name in _TEXTS and whole:
            column = column.cast(pa.string())  # a Peugeot 208 is called "208"
        elif name in _NUMBERS and (whole or types.is_floating(kind) or types.is_decimal(kind)):
            # Through text, as 1.6 in 32 bits means 1.6, and Arrow's decimals lose their last digit.
            column = column.cast(pa.string()).cast(pa.float64())
        elif name == _FLAG and types.is_null(kind):
            column = column.cast(pa.bool_())
        columns[name] = column
    return pa.RecordBatch.from_pydict(columns)


def _frame(table: pa.Table, typed: bool) -> pd.DataFrame:
    """Turn a table into a frame; unless its file is `typed`, parse the texts of columns we know."""
    texts: dict[str, pa.ChunkedArray] = {}  # of the cells that are something else than expected
    for name in {*_NUMBERS, _FLAG}.intersection([] if typed else table.schema.names):
        column = table.column(name)
        parsed = (_flags if name == _FLAG else _numbers)(pc.ascii_trim_whitespace(column))
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


def _flags(words: pa.ChunkedArray) -> pa.ChunkedArray:
    words = pc.ascii_lower(words)
    known = pc.is_in(words, value_set=pa.array(["true", "false"]))
    return pc.if_else(known, pc.equal(words, "true"), None)


def _numbers(words: pa.ChunkedArray) -> pa.ChunkedArray:
    try:
        numbers = words.cast(pa.float64())
    except pa.ArrowInvalid:  # one text that is no number
        known = pc.match_substring_regex(words, _NUMBER)
        numbers = pc.if_else(known, words, None).cast(pa.float64())
    return pc.if_else(pc.is_finite(numbers), numbers, None)
