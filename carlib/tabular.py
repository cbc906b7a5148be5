"""A CSV or Parquet file as Arrow batches, and what can be wrong with such a file.

Nothing is interpreted here: CSV cells are text or missing, Parquet columns have their own types.
Arrow reads the CSV because it refuses rows with too few or too many cells, which pandas fills with
NaN or cuts, and because it streams.
"""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from carlib.errors import UnreadableFile

_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_BLOCK = 2**20  # bytes of CSV parsed at a time; one row has to fit


class TabularFile:
    """The columns and rows of a .csv, .tsv (also .gz) or .parquet file.

    Attributes:
        names: The columns in their order, without one that has no name: that is how pandas writes
            an index, in Parquet as `__index_level_0__`.
        typed: Whether the file declares the types of its columns, as Parquet does.
    """

    names: list[str]
    typed: bool

    def __init__(self, path: str | PathLike[str]) -> None:
        """Look at the file's beginning.

        Raises:
            UnreadableFile: There is no such file, its name ends in something else, its encoding is
                not UTF-8, or two columns have the same name.
        """
        self._path = Path(path)
        ending = re.search(r"(\.csv|\.tsv)(\.gz)?$|(\.parquet)$", self._path.name.lower())
        if not ending:
            raise UnreadableFile(
                "Expected a file name that ends in .csv, .tsv, .csv.gz, .tsv.gz or .parquet; "
                f"found {self._path.name!r}. Save the table as one of these."
            )
        if not self._path.is_file():
            found = "a folder" if self._path.is_dir() else "nothing"
            raise UnreadableFile(
                f"Expected a file at {str(path)!r}; found {found} there. A path that is not "
                "absolute begins at the folder of the notebook or program."
            )
        self._delimiter = _DELIMITERS.get(ending[1])
        self.typed = self._delimiter is None
        self._compression = "gzip" if ending[2] else None
        with self._explaining():
            columns = self._csv_names() if self._delimiter else self._parquet_names()
        twice = [name for name, count in Counter(columns).items() if count > 1]
        if twice:
            raise self._unreadable(f"two columns with the name {twice[0]!r}")
        self._columns = columns
        index = re.compile("" if self._delimiter else r"__index_level_\d+__")
        self.names = [name for name in columns if not index.fullmatch(name)]

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Go through all rows, from the first.

        Yields:
            Batches of some thousand rows. The first has none: it carries the columns and their
            types where no row follows.

        Raises:
            UnreadableFile: On the way: rows of different length, text that is not UTF-8, a quote
                that is never closed, damage.
        """
        with self._explaining():
            source = self._parquet_batches() if self.typed else self._csv_batches()
            for batch in source:
                yield batch.select(self.names)

    def _bytes(self) -> pa.NativeFile:
        return pa.input_stream(str(self._path), compression=self._compression)

    def _csv(self, **convert: object) -> pyarrow.csv.CSVStreamingReader:
        return pyarrow.csv.open_csv(
            self._bytes(),
            read_options=pyarrow.csv.ReadOptions(block_size=_BLOCK),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=self._delimiter, newlines_in_values=True
            ),
            convert_options=pyarrow.csv.ConvertOptions(**convert),
        )

    def _csv_names(self) -> list[str]:
        with self._bytes() as stream:
            if stream.read(2) in (b"\xff\xfe", b"\xfe\xff"):
                raise self._unreadable("it is encoded in UTF-16")
        with self._csv() as reader:
            names = reader.schema.names
        separator = re.search(r"[;\t|]", names[0])
        if self._delimiter == "," and len(names) == 1 and separator:
            raise self._unreadable(f"{separator[0]!r} between the names, where ',' belongs")
        return names

    def _csv_batches(self) -> Iterator[pa.RecordBatch]:
        with self._csv(
            column_types=dict.fromkeys(self._columns, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
        ) as reader:
            held = _no_rows(reader.schema)
            for batch in reader:
                if len(batch):
                    yield held
                    held = batch
        # Arrow takes the end of the file for the end of the quote: the rest became the last cell.
        text = held.column(self._columns[-1])[-1].as_py() if len(held) else None
        if re.search(r"[\r\n]", text or "") and self._odd_quotes():
            raise self._unreadable('a cell begins with " but is never closed')
        yield held

    def _odd_quotes(self) -> bool:
        quotes = 0
        with self._bytes() as stream:
            while block := stream.read(_BLOCK):
                quotes += block.count(b'"')
        return quotes % 2 == 1

    def _parquet_names(self) -> list[str]:
        with pyarrow.parquet.ParquetFile(self._path) as file:
            return file.schema_arrow.names

    def _parquet_batches(self) -> Iterator[pa.RecordBatch]:
        with pyarrow.parquet.ParquetFile(self._path) as file:
            yield _no_rows(file.schema_arrow)
            yield from file.iter_batches(columns=self.names)

    def _unreadable(self, found: str) -> UnreadableFile:
        kind = "text in UTF-8 with a header" if self._delimiter else "Parquet"
        return UnreadableFile(
            f"Expected {self._path.name!r} to be {kind}, whole; found: {found}. "
            "Write the file again, in this form."
        )

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        try:
            yield
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise self._unreadable(str(error).partition("\n")[0]) from error


def _no_rows(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([], kind) for kind in schema.types], schema=schema)
