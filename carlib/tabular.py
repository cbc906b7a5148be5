"""A CSV or Parquet file as Arrow batches, and what to type where a file is something else.

Nothing is interpreted here: CSV cells are text or missing, Parquet columns have their own types.
Arrow reads the CSV because it refuses rows with too few or too many cells, which pandas fills with
NaN or cuts, and because it streams. Where something is wrong, or may be, Python's slower csv reads
the text once more: it is strict about quotes, and knows the lines.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from carlib.errors import CarlibError, UnreadableFile
from carlib.text import printable

_BLOCK = 2**20  # bytes of CSV parsed at a time; one row has to fit
_BEGINNINGS = (  # of files, what they are if no CSV in UTF-8, and what to do if not expected
    (rb"PK\x03\x04|\xd0\xcf\x11\xe0", "Excel or a zip", "Save the sheet as CSV, or unpack it"),
    (rb"\x1f\x8b", "gzip", "Give it a name that ends in .csv.gz or .tsv.gz"),
    (rb"BZh|\xfd7zXZ|\x28\xb5\x2f\xfd", "compressed bytes", "Unpack it"),
    (rb"PAR1", "Parquet", "Give it a name that ends in .parquet"),
    (rb"version https://git-lfs", "a Git LFS pointer", "Type `git lfs pull` in its folder"),
    (rb"(?i)\s*<(!doctype|html|\?xml)", "a web page", "Download the file itself, the raw one"),
    (rb"\xff\xfe|\xfe\xff", "text in UTF-16", 'Pass encoding="utf-16"'),
    (rb"", "", "Give its name the ending of what it is"),
)
_NO_TEXT = "[\udc80-\udcff]"  # how `surrogateescape` decodes bytes that are none


class TabularFile:
    """The columns and rows of a .csv, .tsv (also .gz) or .parquet file.

    `names` lacks the columns without a name: that is how pandas writes an index, in Parquet as
    `__index_level_0__`. `typed` tells whether the file declares its columns' types, as Parquet.
    """

    def __init__(self, path: Path, encoding: str | None) -> None:
        """Look at the file's beginning, and count its quotes, or raise UnreadableFile."""
        ending = re.search(r"(\.csv|\.tsv)(\.gz)?$|\.parquet$", path.name.lower())
        if not ending:
            raise UnreadableFile(
                "Expected a file name that ends in .csv, .tsv, .csv.gz, .tsv.gz or .parquet; "
                f"found {path.name!r}. Save the table as one of these."
            )
        self._path, self._encoding = path, encoding
        self._separator = "\t" if ending[1] == ".tsv" else ","
        self._compression = "gzip" if ending[2] else None
        self.typed = not ending[1]
        with self.explaining():
            self._refuse_others("Parquet" if self.typed else self._compression or "")
            with self._open() as file:
                columns = (file.schema_arrow if self.typed else file.schema).names
            self._quotes = 0
            if not self.typed:
                with self._bytes() as stream:
                    blocks = iter(lambda: stream.read(_BLOCK), b"")
                    self._quotes = sum(block.count(b'"') for block in blocks)
            if self._quotes % 2 or (len(columns) == 1 and not self.typed):
                self._refuse_faults()
        index = re.compile(r"__index_level_\d+__" if self.typed else "")
        self.names = [name for name in columns if not index.fullmatch(name)]
        for name, count in Counter(self.names).items():
            if count > 1:
                raise self._unreadable(f"{count} columns named {name!r}", "Give each its own name")

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Go through all rows, inside `explaining`; the first batch has none, but the types."""
        trusted = not self._quotes
        with self._open(column_types=dict.fromkeys(["", *self.names], pa.string())) as file:
            schema = file.schema_arrow if self.typed else file.schema
            yield pa.RecordBatch.from_pylist([], schema).select(self.names)
            for batch in file.iter_batches(columns=self.names) if self.typed else file:
                # Where a quote is missing, a cell ends at the next one, some lines further down.
                if not trusted and any(map(_has_line_break, batch.columns)):
                    self._refuse_faults()
                    trusted = True
                yield batch.select(self.names)

    @contextmanager
    def explaining(self) -> Iterator[None]:
        """Turn whatever the file's bytes make a reader raise into an UnreadableFile."""
        try:
            yield
        except CarlibError:
            raise
        except (pa.ArrowException, OSError, ValueError, LookupError, OverflowError) as error:
            if not self.typed:
                self._refuse_faults()
            found = str(error).partition("\n")[0]
            raise self._unreadable(found, "Write it, or download it, again") from error

    def _unreadable(self, found: str, advice: str) -> UnreadableFile:
        kind = "Parquet" if self.typed else "a table with a header"
        text = f"Expected {self._path.name!r} to be {kind}, whole; found: {found}. {advice}."
        return UnreadableFile(printable(text))

    def _refuse_others(self, expected: str) -> None:
        with self._path.open("rb") as file:
            start = file.read(64)
        kind, advice = next(rest for first, *rest in _BEGINNINGS if re.match(first, start))
        if kind != expected and not (self._encoding and kind == "text in UTF-16"):
            raise self._unreadable(kind or "other bytes", advice)

    def _bytes(self) -> pa.NativeFile:
        with pa.input_stream(str(self._path), compression=self._compression) as stream:
            start, more = stream.read(_BLOCK), stream.read(1)
        if more:
            return pa.input_stream(str(self._path), compression=self._compression)
        # A header alone may lack the line end that Arrow wants; in UTF-16, without its mark.
        end, mark = (text.encode(self._encoding or "utf-8") for text in ("\n", ""))
        return pa.BufferReader(start + end.removeprefix(mark))

    def _open(self, **convert: object) -> Any:
        if self.typed:
            return pyarrow.parquet.ParquetFile(self._path)
        return pyarrow.csv.open_csv(
            self._bytes(),
            pyarrow.csv.ReadOptions(block_size=_BLOCK, encoding=self._encoding or "utf8"),
            pyarrow.csv.ParseOptions(delimiter=self._separator, newlines_in_values=True),
            pyarrow.csv.ConvertOptions(null_values=[""], strings_can_be_null=True, **convert),
        )

    def _refuse_faults(self) -> None:
        """Raise what is wrong in the first bad row of a CSV file, if there is one."""
        csv.field_size_limit(max(_BLOCK, csv.field_size_limit()))  # of the whole process
        encoding, comma = self._encoding or "utf-8", self._separator
        row, size, names, width, number = "", 0, "", 0, 1

        def lines() -> Iterator[str]:
            nonlocal row, size
            while line := text.readline(_BLOCK + 1):
                row += line
                size += len(line.encode(errors="surrogateescape"))
                if size > _BLOCK:
                    raise csv.Error("more than 1 MiB, the most a row may have")
                yield line

        try:
            text = io.TextIOWrapper(self._bytes(), encoding, "surrogateescape", newline="")
            rows = csv.reader(lines(), delimiter=comma, strict=True)
            for cells in rows:
                names, width = names or row.strip(), width or len(cells)
                if cells and (len(cells) != width or width == 1):
                    self._refuse_separator(names, row, text)
                if wrong := re.search(rf"[\w ]*{_NO_TEXT}[\w {_NO_TEXT[1:]}*", row):
                    raw = wrong[0].encode(encoding, "surrogateescape")[:60]
                    western = raw.decode("cp1252", "replace")
                    found = f"in line {number}, {raw!r}, which is not {encoding}"
                    raise self._unreadable(found, f'If it is {western!r}, pass encoding="cp1252"')
                if cells and len(cells) != width:
                    found = f"in line {number}, {len(cells)} cells instead of {width}, {row[:60]!r}"
                    raise self._unreadable(found, f"Complete it, or quote each cell with {comma!r}")
                row, size, number = "", 0, rows.line_num + 1
        except csv.Error as error:
            found = str(error).replace("unexpected end of data", "a quote that is never closed")
            advice = "Close the quote, or shorten the row; where quotes mean nothing, read it with "
            advice += "pd.read_csv(path, quoting=3)"
            raise self._unreadable(f"in line {number}, {found}", advice) from error
        except (OSError, UnicodeError):
            return  # Arrow has met it too, and says it
        if not width:
            raise self._unreadable("nothing", "Write it again, with names in the first line")

    def _refuse_separator(self, names: str, row: str, text: io.TextIOWrapper) -> None:
        for other in ";\t|,":
            if names.count(other) > names.count(self._separator):
                sample = row + text.read(_BLOCK)
                more = ', decimal=","' if re.search(r"\d,\d", sample) else ""
                more += ', encoding="cp1252"' if re.search(_NO_TEXT, sample) else ""
                raise self._unreadable(
                    f"{other!r} between the names instead of {self._separator!r}",
                    f"Read it with pd.read_csv(path, sep={other!r}{more}, dtype={{'vin': str}})",
                )


def _has_line_break(column: pa.Array) -> bool:
    cells = column.buffers()[2]
    return cells is not None and any(end in cells.to_pybytes() for end in (b"\n", b"\r"))
