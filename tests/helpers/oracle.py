"""What preparing and loading have to come to: one row after the other, in plain Python.

Slow and obvious on purpose. The rules are written here a second time, from the documentation and
not from the code, so that the two can disagree.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any

import numpy as np
import pandas as pd

REPEATED = "vin given more than once with different values"
REQUIRED = ("brand", "model", "vin", "price", "status")
LONGEST = {"brand": 100, "model": 100, "vin": 50, "color": 50}
LIMIT = {"engine_size": 100, "price": 10_000_000_000}

# The blocks of variation selectors and tags, fillers of Hangul and others that print as nothing.
IGNORABLE = {
    *map(chr, (0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2065, 0x3164, 0xFFA0)),
    *map(chr, (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xFFF0, 0xFFF9))),
    *map(chr, range(0xE0000, 0xE1000)),
}

Row = dict[str, Any]


@dataclass
class Outcome:
    """Rows by their number: what becomes a car, what is refused and why, what only repeats."""

    accepted: dict[int, Row] = field(default_factory=dict)
    rejected: dict[int, list[str]] = field(default_factory=dict)
    repetitions: list[int] = field(default_factory=list)


def values_of(column: pd.Series) -> list[Any]:
    """The values of a column, one by one; a float of 16 or 32 bits knows that it is one."""
    values = list(column.array)
    dtype = str(column.dtype).lower()
    narrow = np.float16 if "float16" in dtype or "halffloat" in dtype else np.float32
    if narrow is np.float16 or "float32" in dtype or dtype == "float[pyarrow]":
        values = [v if is_missing(v) else narrow(v) for v in values]
    return values


def rows_of(frame: pd.DataFrame) -> list[Row]:
    """The rows of a frame, each as a dictionary of the columns that are there."""
    columns = {name: values_of(frame[name]) for name in frame.columns}
    return [{name: columns[name][i] for name in columns} for i in range(len(frame))]


def is_missing(value: Any) -> bool:
    if value is None or value is pd.NA or value is pd.NaT:
        return True
    if isinstance(value, Decimal):
        return value.is_nan()
    if isinstance(value, (np.datetime64, np.timedelta64)):
        return bool(np.isnat(value))
    return isinstance(value, (float, complex, np.inexact)) and bool(value != value)


def judge_text(name: str, value: Any) -> tuple[str | None, list[str]]:
    nothing = [f"{name} missing"] if name in REQUIRED else []
    if is_missing(value):
        return None, nothing
    if not isinstance(value, str):
        return None, [f"{name} is not text"]
    categories = [unicodedata.category(character) for character in value]
    if "Cs" in categories:
        return None, [f"{name} is not valid Unicode"]
    blanks = {c for c in value if unicodedata.category(c) == "Zs"}
    text = unicodedata.normalize("NFC", value).strip()
    text = "".join(" " if c in blanks else c for c in text)
    for character in text:
        if unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp") or character in IGNORABLE:
            return None, [f"{name} has an invisible character (U+{ord(character):04X})"]
    if text and unicodedata.category(text[0])[0] == "M":
        return None, [f"{name} begins with a combining mark (U+{ord(text[0]):04X})"]
    if name == "vin":
        text = unicodedata.normalize("NFC", text.upper())
    if text == "":
        return None, nothing
    if len(text) > LONGEST[name]:
        return None, [f"{name} is longer than {LONGEST[name]} characters"]
    return text, []


def judge_number(name: str, value: Any) -> tuple[Decimal | None, list[str]]:
    if is_missing(value):
        return None, [f"{name} missing"] if name in REQUIRED else []
    if isinstance(value, str):
        return None, [f"{name} is text, not a number"]
    is_truth = isinstance(value, (bool, np.bool_))
    is_span = isinstance(value, np.timedelta64)
    if is_truth or is_span or not isinstance(value, (int, float, Decimal, np.integer, np.floating)):
        return None, [f"{name} is not a number"]
    with localcontext(prec=2000):
        if isinstance(value, (int, np.integer)):
            number = Decimal(int(value))
        else:
            number = value if isinstance(value, Decimal) else Decimal(str(value))
        if number.is_infinite():
            return None, [f"{name} is infinite"]
        rounded = number.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)
    if name == "price" and number < 0:
        return None, ["price is negative"]
    if name == "engine_size" and rounded <= 0:
        return None, ["engine_size is not above zero"]
    if rounded >= LIMIT[name]:
        return None, [f"{name} is out of range (must be below {LIMIT[name]})"]
    return rounded, []


def judge_flag(name: str, value: Any) -> tuple[bool | None, list[str]]:
    if is_missing(value):
        return None, [f"{name} missing"]
    numbers = (bool, np.bool_, int, float, Decimal, np.integer, np.floating)
    if isinstance(value, numbers) and not isinstance(value, np.timedelta64):
        if value == 1:
            return True, []
        if value == 0:
            return False, []
    return None, [f"{name} is neither true nor false"]


JUDGES = {
    "brand": judge_text,
    "model": judge_text,
    "vin": judge_text,
    "engine_size": judge_number,
    "color": judge_text,
    "price": judge_number,
    "status": judge_flag,
}


def same_name(one: str, other: str) -> bool:
    """Canonical caseless matching, D145 of the Unicode Standard."""

    def key(name: str) -> str:
        return unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())

    return key(one) == key(other)


def first_spelling(name: str, known: list[str]) -> str:
    """The name as it was first seen; a new one is remembered."""
    for spelled in known:
        if same_name(spelled, name):
            return spelled
    known.append(name)
    return name


def judge_each(rows: Iterable[Row], tables: Iterable[tuple[str, str]] = ()) -> Outcome:
    """Judge each row alone; `tables` has the brands and models that are in the tables already."""
    outcome = Outcome()
    brands: list[str] = []
    models: dict[str, list[str]] = {}
    for brand, model in tables:
        first_spelling(model, models.setdefault(first_spelling(brand, brands), []))
    for number, row in enumerate(rows):
        clean: Row = dict.fromkeys(JUDGES)
        reasons: list[str] = []
        for name, judge in JUDGES.items():
            if name in row:
                clean[name], found = judge(name, row[name])
                reasons += found
        if reasons:
            outcome.rejected[number] = reasons
            continue
        clean["brand"] = first_spelling(clean["brand"], brands)
        clean["model"] = first_spelling(clean["model"], models.setdefault(clean["brand"], []))
        outcome.accepted[number] = clean
    return outcome


def judge_all(rows: Iterable[Row], tables: Iterable[tuple[str, str]] = ()) -> Outcome:
    """Judge the rows together: a VIN that is given more than once too."""
    outcome = judge_each(rows, tables)
    by_vin: dict[str, list[int]] = {}
    for number, row in outcome.accepted.items():
        by_vin.setdefault(row["vin"], []).append(number)
    for first, *others in by_vin.values():
        if all(outcome.accepted[other] == outcome.accepted[first] for other in others):
            outcome.repetitions += others
        else:
            outcome.rejected |= {number: [REPEATED] for number in (first, *others)}
    for number in (*outcome.rejected, *outcome.repetitions):
        outcome.accepted.pop(number, None)
    return outcome
