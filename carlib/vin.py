"""Vehicle identification numbers (VINs), built by the column.

A VIN has 17 characters (ISO 3779): the manufacturer (positions 1-3, the WMI of ISO 3780), a
description of the car (4-8), a check digit (9), the model year (10), the plant (11) and a serial
number (12-17). The check digit is that of 49 CFR 565.15. North America demands it; elsewhere a
manufacturer may put another character there, so a real VIN from Europe can fail the check.
"""

import unicodedata

import numpy as np
import pyarrow as pa

LENGTH = 17

ALPHABET = "0123456789ABCDEFGHJKLMNPRSTUVWXYZ"
"""Digits and capital letters without I, O and Q, which are too like 1 and 0."""
_WORTH = "012345678912345678123457923456789"  # each character's value, below the character itself
_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
_REMAINDERS = "0123456789X"

_YEAR_CODES = "ABCDEFGHJKLMNPRSTVWXY123456789"  # a cycle of 30 years; 1980 and 2010 are "A"

CAPACITY = len(ALPHABET) ** 2 * 1_000_000
"""How many cars `assemble` can tell apart: position 8, the plant, and a serial of six digits."""


def year_code(year: int) -> str:
    """Return the character for a model year; the codes repeat every 30 years."""
    return _YEAR_CODES[(year - 1980) % len(_YEAR_CODES)]


def descriptor(model: str, engine: int) -> str:
    """Return positions 4-7 for a model: its first three letters or digits, then its engine.

    Real descriptors are each manufacturer's secret. This one can be read: the Škoda Fabia is FAB.

    Args:
        model: The model's name. Accents are dropped, I, O and Q become 1, 0 and 9, and names
            shorter than three characters are filled up with Z.
        engine: Which of the model's engines, from 0; -1 for an electric car.

    Returns:
        Four characters of `ALPHABET`.
    """
    plain = unicodedata.normalize("NFKD", model).upper().translate(str.maketrans("IOQ", "109"))
    letters = "".join(character for character in plain if character in ALPHABET)
    return letters[:3].ljust(3, "Z") + ("E" if engine < 0 else ALPHABET[engine + 1])


def assemble(prefixes: np.ndarray, years: np.ndarray, numbers: np.ndarray) -> pa.LargeStringArray:
    """Build valid VINs, one a row; different `numbers` give different VINs, whatever the rest.

    Args:
        prefixes: uint8 of shape (rows, 7), the ASCII codes of positions 1-7.
        years: uint8 of shape (rows,), the ASCII codes of position 10.
        numbers: int64 of shape (rows,), each at least 0 and less than `CAPACITY`.

    Returns:
        As many texts of 17 characters.
    """
    alphabet = np.frombuffer(ALPHABET.encode(), np.uint8)
    rest, serial = np.divmod(numbers, 1_000_000)
    line, plant = np.divmod(rest, len(ALPHABET))

    codes = np.empty((len(numbers), LENGTH), np.uint8)
    codes[:, :7] = prefixes
    codes[:, 7] = alphabet[line]
    codes[:, 8] = ord("0")  # its weight is 0
    codes[:, 9] = years
    codes[:, 10] = alphabet[plant]
    for position in range(16, 10, -1):
        serial, digit = np.divmod(serial, 10)
        codes[:, position] = alphabet[digit]
    worth = np.zeros(128, np.uint16)
    worth[alphabet] = [int(digit) for digit in _WORTH]
    total = worth[codes] @ np.array(_WEIGHTS, np.uint16)
    codes[:, 8] = np.frombuffer(_REMAINDERS.encode(), np.uint8)[total % 11]

    # The codes are Arrow's text already: one buffer of characters, and where each text begins.
    begins = np.arange(0, codes.size + 1, LENGTH, dtype=np.int64)
    return pa.LargeStringArray.from_buffers(
        len(codes), pa.py_buffer(begins), pa.py_buffer(codes.reshape(-1))
    )
