"""Cars to practice with: the handful that the lessons talk about, or millions that are made up.

A vehicle identification number (VIN) has 17 characters (ISO 3779): the manufacturer (positions 1-3,
the WMI of ISO 3780), a description of the car (4-8), a check digit (9), the model year (10), the
plant (11) and a serial number (12-17). The check digit is that of 49 CFR 565.15. North America
demands it; a real VIN from Europe can fail the check.
"""

import unicodedata
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from numbers import Integral
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from carlib.errors import BadArgument
from carlib.files import iter_cars as iter_cars
from carlib.files import read_cars as read_cars

COLUMNS = ("brand", "model", "vin", "engine_size", "color", "price", "status")

# Shares in percent. The colors follow paint makers' surveys: four of five cars are colorless.
_COLORS = {
    "White": 32, "Black": 20, "Gray": 18, "Silver": 10, "Blue": 9, "Red": 5,
    "Green": 2, "Brown": 1, "Beige": 1, "Orange": 1, "Yellow": 1,
}  # fmt: skip
_YEAR_CODES = "SRPNMLKJHGFEDCB"  # of the model years 2025 back to 2011, and their shares and worth
_YEARS = (8, 9, 9, 9, 8, 8, 8, 7, 7, 6, 6, 5, 4, 3, 3)
_WORTH = (1000, 820, 710, 620, 545, 480, 425, 375, 330, 290, 260, 230, 205, 185, 165)  # per mille
_STEPS = {50_00: 60, 10_00: 30, 1: 10}  # cents that a price is rounded to: some sellers count cents
_AVAILABLE = {True: 85, False: 15}

_ALPHABET = "0123456789ABCDEFGHJKLMNPRSTUVWXYZ"  # of VINs: I, O and Q are too like 1 and 0
_VALUES = "012345678912345678123457923456789"  # of the characters above, for the check digit
_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
CAPACITY = len(_ALPHABET) ** 2 * 1_000_000  # position 8, the plant, and a serial of six digits
_STRIDE = 673_038_013  # shares no factor with CAPACITY, so stepping by it visits every number


def sample_cars() -> pd.DataFrame:
    """Return the two cars of the initial load.

    Returns:
        A cars frame of 2 rows. The prices are int64, so they print as a person writes them: 15000.
    """
    toyota = ("Toyota", "Corolla", "ABC123", 2.0, "Red", 15000, True)
    honda = ("Honda", "Civic", "DEF456", 1.5, "Blue", 13000, False)
    return pd.DataFrame([toyota, honda], columns=list(COLUMNS))


def sample_delta() -> pd.DataFrame:
    """Return the one new car of the first delta load: another Toyota Corolla.

    Returns:
        A cars frame of 1 row, like that of `sample_cars`.
    """
    toyota = ("Toyota", "Corolla", "GHI789", 2.2, "Black", 16000, True)
    return pd.DataFrame([toyota], columns=list(COLUMNS))


def generate_cars(rows: int, seed: int = 0, *, start: int = 0) -> pd.DataFrame:
    """Make up cars of real brands and models, each with a valid VIN of its own.

    Every seed stands for one list of 1,089,000,000 cars, of which this returns a piece: two pieces
    that do not overlap share no VIN. Lists of different seeds can have VINs in common.

    Brands, models, engines and base prices come from `carlib/catalogue.csv`. The price falls with
    the car's age, which only the VIN tells (position 10, model years 2011 to 2025).

    Args:
        rows: How many cars.
        seed: Which list; the same seed gives the same cars on every machine.
        start: How many cars of the list to skip.

    Returns:
        A cars frame: brand, model, vin and color as text, `engine_size` float64 (litres, NaN for
        electric cars), `price` float64 with at most two decimals, `status` bool (True: available).

    Raises:
        BadArgument: An argument is no whole number from 0, or goes beyond the end of the list.
    """
    for name, value in {"rows": rows, "seed": seed, "start": start}.items():
        if isinstance(value, bool) or not isinstance(value, Integral) or value < 0:
            raise BadArgument(f"{name} is a whole number, 0 or more; found {value!r}.")
    rows, seed, start = int(rows), int(seed), int(start)
    if start + rows > CAPACITY:
        raise BadArgument(
            f"A seed has {CAPACITY:,} cars; found start + rows = {start + rows:,}. "
            "Take fewer rows, or another seed."
        )
    known = _catalogue()
    # Raw bits and whole numbers only: numpy promises the former for every version, and the latter
    # round alike on every machine. Two draws of 64 bits make one car.
    bits = np.random.PCG64(np.random.SeedSequence(seed))
    bits.advance(2 * start)
    first, second = bits.random_raw(2 * rows).reshape(rows, 2).T
    model = known.popular[_share(first, 0, 32, len(known.popular))]
    engine = _share(first, 32, 16, known.engines[model])
    variant = known.begins[model] + engine
    color = _pick(first, 48, _COLORS.values())
    age = _pick(second, 0, _YEARS)
    status = np.array(list(_AVAILABLE))[_pick(second, 16, _AVAILABLE.values())]
    step = np.array(list(_STEPS))[_pick(second, 32, _STEPS.values())]
    luck = 880 + _share(second, 48, 16, 241)  # per mille, so 12 percent up or down

    cents = known.prices[model] * (1000 + 25 * engine) * np.array(_WORTH)[age] * luck // 1000**3
    cents = np.maximum((cents + step // 2) // step * step, 500_00)
    offset = int(np.random.SeedSequence([seed, 1]).generate_state(1, np.uint64)[0]) % CAPACITY
    numbers = (np.arange(start, start + rows) * _STRIDE + offset) % CAPACITY

    names = known.names.take(pa.array(model))
    columns = {
        "brand": names["brand"],
        "model": names["model"],
        "vin": _vins(known.prefixes[variant], _codes(_YEAR_CODES)[age], numbers),
        "engine_size": known.litres[variant],
        "color": pa.array(list(_COLORS), pa.large_string()).take(pa.array(color)),
        "price": cents / 100,
        "status": status,
    }
    return pa.table({name: columns[name] for name in COLUMNS}).to_pandas()


def generate_delta(
    cars: pd.DataFrame, new: float = 0.1, changed: float = 0.1, seed: int = 1
) -> pd.DataFrame:
    """Make up what a source would send some time later: the same cars, some changed, some new.

    Of the changed cars, seven in ten have another price, up to a tenth up or down; the others are
    sold or come back, and one in ten is painted anew as well.

    Args:
        cars: The cars as they are known, in a cars frame.
        new: How many new cars follow, as a share of the known ones; may be more than 1.
        changed: Which share of the known cars has changed, from 0 to 1.
        seed: Which changes and new cars; the same seed makes the same ones of the same cars.

    Returns:
        A cars frame: every car of `cars`, in its order, then the new ones.

    Raises:
        BadArgument: A share is out of its range, or `seed` is no whole number from 0.
    """
    if not 0 <= changed <= 1 or not 0 <= new < float("inf"):
        raise BadArgument(
            f"Expected changed from 0 to 1 and new from 0; found {changed!r} and {new!r}."
        )
    count = round(len(cars) * new)
    added = generate_cars(0, seed)
    start = 0
    while len(added) < count:  # seeds can have VINs in common: skip those that are known
        more = generate_cars(count - len(added), seed, start=start)
        start += len(more)
        added = pd.concat([added, more[~more["vin"].isin(cars["vin"])]], ignore_index=True)

    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, 2])))
    chosen = np.sort(rng.permutation(len(cars))[: round(len(cars) * changed)])
    later = cars.reset_index(drop=True)
    price = later["price"].to_numpy(dtype=np.float64, copy=True)
    status = later["status"].to_numpy(dtype=bool, copy=True)
    color = later["color"].to_numpy(dtype=object, copy=True)
    repriced = rng.random(len(chosen)) < 0.7
    moved = chosen[repriced]
    step = np.maximum(np.rint(price[moved] * rng.uniform(0.01, 0.1, len(moved))), 1)
    up = (rng.random(len(moved)) < 0.5) | (price[moved] <= step)
    price[moved] = np.round(price[moved] + np.where(up, step, -step), 2)
    status[chosen[~repriced]] ^= True
    painted = chosen[rng.random(len(chosen)) < 0.1]
    colors = np.array(list(_COLORS), dtype=object)
    color[painted] = colors[rng.integers(0, len(colors), len(painted))]
    later = later.assign(price=price, status=status, color=pd.array(color, dtype="str"))
    return pd.concat([later, added], ignore_index=True)


class _Catalogue(NamedTuple):
    """The catalogue as arrays: one entry a model, or one a variant (a model with one engine)."""

    names: pa.Table  # each model's brand and name
    prices: np.ndarray  # cents
    engines: np.ndarray  # how many variants the model has
    begins: np.ndarray  # which of them is its first
    popular: np.ndarray  # each model as often as it is popular
    litres: np.ndarray  # a variant's engine size
    prefixes: np.ndarray  # a variant's VIN, positions 1-7, as ASCII codes


@cache
def _catalogue() -> _Catalogue:
    with (files("carlib") / "catalogue.csv").open(encoding="utf-8") as file:
        models = pd.read_csv(file, keep_default_na=False)
    sizes = models["engine_sizes"].str.split("|")
    engines = np.array([len(each) for each in sizes])
    prefixes = [
        wmi + _descriptor(model, number if size else -1)
        for wmi, model, each in zip(models["wmi"], models["model"], sizes, strict=True)
        for number, size in enumerate(each)
    ]
    return _Catalogue(
        names=pa.table({name: pa.array(models[name], pa.large_string()) for name in COLUMNS[:2]}),
        prices=models["base_price"].to_numpy() * 100,
        engines=engines,
        begins=np.cumsum(engines) - engines,
        popular=np.repeat(np.arange(len(models)), models["popularity"]),
        litres=pd.to_numeric(sizes.explode()).to_numpy(np.float64),
        prefixes=_codes("".join(prefixes)).reshape(-1, 7),
    )


def _descriptor(model: str, engine: int) -> str:
    """A VIN's positions 4-7: the model's first three letters or digits, then its engine.

    Real descriptors are each manufacturer's secret. This one can be read: the Škoda Fabia is FAB.
    Accents are dropped, I, O and Q become 1, 0 and 9; the engine -1 stands for an electric car.
    """
    plain = unicodedata.normalize("NFKD", model).upper().translate(str.maketrans("IOQ", "109"))
    letters = "".join(character for character in plain if character in _ALPHABET)
    return letters[:3].ljust(3, "Z") + ("E" if engine < 0 else _ALPHABET[engine + 1])


def _codes(characters: str) -> np.ndarray:
    return np.frombuffer(characters.encode("ascii"), np.uint8)


def _vins(prefixes: np.ndarray, years: np.ndarray, numbers: np.ndarray) -> pa.LargeStringArray:
    """Build valid VINs, one a row; different `numbers` give different VINs, whatever the rest.

    `prefixes` (of shape (rows, 7)) and `years` are ASCII codes, `numbers` are below `CAPACITY`.
    """
    alphabet = _codes(_ALPHABET)
    vins = np.empty((len(numbers), len(_WEIGHTS)), np.uint8)
    vins[:, :7] = prefixes
    vins[:, 8] = ord("0")  # its weight is 0
    vins[:, 9] = years
    for position in range(16, 10, -1):
        numbers, digit = np.divmod(numbers, 10)
        vins[:, position] = alphabet[digit]
    line, plant = np.divmod(numbers, len(_ALPHABET))
    vins[:, 7], vins[:, 10] = alphabet[line], alphabet[plant]
    values = np.zeros(128, np.uint16)
    values[alphabet] = [int(digit) for digit in _VALUES]
    vins[:, 8] = _codes("0123456789X")[values[vins] @ np.array(_WEIGHTS, np.uint16) % 11]

    # The codes are Arrow's text already: one buffer of characters, and where each text begins.
    begins = np.arange(0, vins.size + 1, len(_WEIGHTS), dtype=np.int64)
    buffers = pa.py_buffer(begins), pa.py_buffer(vins.reshape(-1))
    return pa.LargeStringArray.from_buffers(len(vins), *buffers)


def _share(bits: np.ndarray, skip: int, width: int, parts: int | np.ndarray) -> np.ndarray:
    """Turn `width` bits of each number, after the `skip` lowest, into a number below `parts`."""
    field = (bits >> np.uint64(skip)) & np.uint64((1 << width) - 1)
    return (field.astype(np.int64) * parts) >> width


def _pick(bits: np.ndarray, skip: int, shares: Iterable[int]) -> np.ndarray:
    """Turn 16 bits of each number into a position in `shares`, as often as its share says."""
    shares = list(shares)
    return np.repeat(np.arange(len(shares)), shares)[_share(bits, skip, 16, sum(shares))]
