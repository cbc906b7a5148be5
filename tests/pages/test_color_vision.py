"""The colors of charts and exercises, and what finds those that are too much alike."""

import numpy as np
import pytest
from charts import describe
from color_vision import VISION, _lab, difference, least_difference
from matplotlib.figure import Figure

from exercises.feedback import _COLORS, Kind


def test_cielab_is_that_of_the_standard() -> None:
    # B. Lindbloom's calculator, sRGB to Lab for the white of D65
    assert _lab("#ffffff", "normal") == pytest.approx([100, 0, 0], abs=0.01)
    assert _lab("#ff0000", "normal") == pytest.approx([53.24, 80.09, 67.20], abs=0.05)
    assert _lab("#0000ff", "normal") == pytest.approx([32.30, 79.19, -107.86], abs=0.05)


def test_greys_look_alike_to_everybody() -> None:
    for matrix in VISION.values():
        assert matrix @ np.ones(3) == pytest.approx(np.ones(3), abs=1e-5)
    assert all(
        difference("#777777", "#777777", vision) == pytest.approx(0, abs=0.01) for vision in VISION
    )


def test_red_and_green_that_many_confuse_are_found() -> None:
    red, green = "#b03a2e", "#5a7a1e"
    assert difference(red, green) > 2
    worst, said = least_difference([red, green, "#0072B2"])
    assert worst < 1
    assert said in {f"{red} and {green} in protanopia", f"{red} and {green} in deuteranopia"}


def test_right_and_wrong_are_told_apart() -> None:
    assert least_difference([_COLORS[Kind.RIGHT], _COLORS[Kind.WRONG]])[0] > 2


def test_a_chart_without_labels_is_described_so() -> None:
    figure = Figure()
    bars, line = figure.subplots(1, 2)
    line.set_xscale("log")
    bars.bar(["a", "b"], [1, 2], color="#0072B2")
    line.plot([1, 2], [3, 4], color="#D55E00")
    line.set_ylabel("size (MB)")
    figure.canvas.draw()
    found = describe(figure)
    assert [(axis["label"], axis["names"]) for axis in found["axes"]] == [
        ("", True), ("", False), ("", False), ("size (MB)", False),
    ]  # fmt: skip
    assert found["colors"] == [["#0072b2"], ["#d55e00"]]
