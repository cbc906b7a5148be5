"""How far apart two colors are for people who see colors in other ways.

Simulated with the matrices of G. M. Machado, M. M. Oliveira and L. A. F. Fernandes, "A
Physiologically-based Model for Simulation of Color Vision Deficiency" (2009), severity 1.0. They
hold for linear RGB.

How different is different enough depends on the size of what is colored. M. Stone, D. A. Szafir
and V. Setlur, "An Engineering Model for Color Difference as a Function of Size" (2014), measured
which difference in each direction of CIELAB half of the people notice in marks of a given angle.
"""

from itertools import combinations

import numpy as np
from matplotlib.colors import to_rgb

VISION = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)  # of linear sRGB
_WHITE = _XYZ @ np.ones(3)
MARK = 0.2  # degrees: the eight pixels of a marker, seen from 60 cm
_NOTICED = np.array([5.079 + 0.751 / MARK, 5.339 + 1.541 / MARK, 5.349 + 2.871 / MARK])  # L, a, b


def difference(one: str, other: str, vision: str = "normal") -> float:
    """Return how far two colors are apart; half of the people notice 1 in a small mark."""
    return float(np.linalg.norm((_lab(one, vision) - _lab(other, vision)) / _NOTICED))


def least_difference(colors: list[str]) -> tuple[float, str]:
    """The two colors that are hardest to tell apart, and for whom."""
    found = [
        (difference(one, other, vision), f"{one} and {other} in {vision}")
        for one, other in combinations(colors, 2)
        for vision in VISION
    ]
    return min(found, default=(float("inf"), ""))


def _lab(color: str, vision: str) -> np.ndarray:
    """CIELAB, white D65, of a color as it looks to this vision."""
    encoded = np.array(to_rgb(color))
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    xyz = _XYZ @ np.clip(VISION[vision] @ linear, 0, 1) / _WHITE
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])
