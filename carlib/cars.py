"""The cars frame: one row a car, and the handful of cars that the lessons talk about.

`sample_cars` and `sample_delta` are small enough to check by eye.
"""

import pandas as pd

COLUMNS = ("brand", "model", "vin", "engine_size", "color", "price", "status")
"""The columns of a cars frame, in their order.

Text is pandas' `str`, `engine_size` float64 (litres, NaN for electric cars), `status` bool (True
means available). `price` is a number: int64 in the samples, where all prices are whole, and float64
wherever cents may occur.
"""


def sample_cars() -> pd.DataFrame:
    """Return the two cars of the initial load.

    Returns:
        A cars frame of 2 rows and the columns `COLUMNS`; a new one at each call. The prices are
        int64, so they print as a person writes them: 15000.
    """
    return pd.DataFrame(
        [
            ("Toyota", "Corolla", "ABC123", 2.0, "Red", 15000, True),
            ("Honda", "Civic", "DEF456", 1.5, "Blue", 13000, False),
        ],
        columns=list(COLUMNS),
    )


def sample_delta() -> pd.DataFrame:
    """Return the one new car of the first delta load: another Toyota Corolla.

    Returns:
        A cars frame of 1 row, like that of `sample_cars`.
    """
    return pd.DataFrame(
        [("Toyota", "Corolla", "GHI789", 2.2, "Black", 16000, True)],
        columns=list(COLUMNS),
    )
