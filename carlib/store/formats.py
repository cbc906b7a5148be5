"""The five formats: which compressions each has, and the way from a frame to bytes and back."""

import json
import pickle
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from carlib.errors import BadArgument
from carlib.store import arrow_formats, json_layout, json_read
from carlib.store.exact import about, differences
from carlib.store.pandas_meta import refuse

COMPRESSIONS = {
    "pickle": ("none", "gzip", "zstd"),
    "json": ("none", "gzip", "zstd"),
    "jsonb": ("none",),
    "parquet": ("none", "snappy", "gzip", "zstd", "lz4"),
    "feather": ("none", "zstd", "lz4"),
}
DEFAULT_COMPRESSION = "zstd"


@dataclass(frozen=True)
class Encoded:
    """A frame as bytes.

    Attributes:
        data: The bytes.
        schema: What the bytes alone don't say, as JSON.
        losses: What will be different when it is read back.
    """

    data: memoryview
    schema: str
    losses: list[str]


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
        has = ", ".join(COMPRESSIONS[format])
        raise BadArgument(f"compression of {format} is one of {has}; found {compression!r}.")
    return compression


def encode(frame: pd.DataFrame, format: str, compression: str) -> Encoded:
    """Turn a frame into bytes, and find out what that loses.

    Raises:
        LossyFormat: The format can't hold the frame.
    """
    if format == "pickle":
        return Encoded(_pickled(frame, compression), "{}", [])
    if format in ("json", "jsonb"):
        text, description, losses = json_layout.encode(frame, format)
        data = _compressed(text, compression)
        sure = json_layout_is_sure
    else:
        data, description = arrow_formats.encode(frame, format, compression)
        losses, sure = [], arrow_is_sure
    view = memoryview(data)
    kinds = [*description["dtypes"], *description["index"].get("levels", ())]
    doubtful = [i for i, kind in enumerate(description["dtypes"]) if not sure(kind)]
    losses = losses + about(frame, pd.DataFrame())
    if not all(map(sure, kinds)):
        back = decode(view, format, compression, description, len(frame), doubtful)
        losses = [*dict.fromkeys(losses + differences(frame.iloc[:, doubtful], back))]
    return Encoded(view, json.dumps(description), losses)


def decode(
    data: memoryview,
    format: str,
    compression: str,
    description: dict,
    rows: int,
    positions: Sequence[int] | None = None,
) -> pd.DataFrame:
    """Turn bytes into a frame, or some of its columns. Only `format="pickle"` unpickles."""
    if format == "pickle":
        return pickle.load(_opened(data, compression))
    if positions is None:
        positions = range(len(description["dtypes"]))
    if format in ("json", "jsonb"):
        text = _opened(data, compression).read()
        return json_read.decode(text, description, rows, positions)
    return arrow_formats.decode(pa.py_buffer(data), format, description, rows, positions)


def arrow_is_sure(kind: dict) -> bool:
    """Whether Parquet and Feather bring back any column of this kind exactly."""
    return kind["dtype"] in arrow_formats.SURE


def json_layout_is_sure(kind: dict) -> bool:
    """Whether JSON brings back any column of this kind exactly."""
    return kind["dtype"] in arrow_formats.SURE and "categories" not in kind


def _pickled(frame: pd.DataFrame, compression: str) -> memoryview:
    copy = frame.copy(deep=False)
    copy.attrs = {}
    sink = pa.BufferOutputStream()
    out = sink if compression == "none" else pa.CompressedOutputStream(sink, compression)
    try:
        pickle.dump(copy, out, protocol=5)
    except (pickle.PicklingError, AttributeError, TypeError, RecursionError) as error:
        raise refuse(
            "pickle", "objects", f"Python can't pickle them ({error})", "parquet"
        ) from error
    if out is not sink:
        out.close()
    return memoryview(sink.getvalue())


def _compressed(data: bytes, compression: str) -> pa.Buffer | bytes:
    if compression == "none":
        return data
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, compression) as out:
        out.write(data)
    return sink.getvalue()


def _opened(data: memoryview, compression: str) -> pa.NativeFile:
    source = pa.BufferReader(pa.py_buffer(data))
    return source if compression == "none" else pa.CompressedInputStream(source, compression)
