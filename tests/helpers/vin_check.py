"""The check digit of a VIN by the printed tables of 49 CFR 565.15(c), without carlib's own."""

_LETTERS = {
    1: "1AJ", 2: "2BKS", 3: "3CLT", 4: "4DMU", 5: "5ENV", 6: "6FW", 7: "7GPX", 8: "8HY",
    9: "9RZ", 0: "0",
}  # fmt: skip
_VALUES = {letter: value for value, letters in _LETTERS.items() for letter in letters}
_WEIGHTS = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2]


def is_valid(vin: str) -> bool:
    """Whether 17 allowed characters have the right one at position 9."""
    return len(vin) == 17 and set(vin) <= set(_VALUES) and vin[8] == check_digit(vin)


def check_digit(vin: str) -> str:
    """The character that belongs at position 9."""
    remainder = sum(_VALUES[vin[i]] * _WEIGHTS[i] for i in range(17)) % 11
    return "X" if remainder == 10 else str(remainder)
