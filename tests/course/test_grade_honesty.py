"""`carlib grade` on notebooks that pretend: only what is handed in counts, and what it gives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from learner_notebooks import SOLUTIONS, graded, hand_in, outcomes, right, sql
from nbformat.v4 import new_code_cell, new_output

PRETEND = """\
from exercises import Feedback, Kind
import exercises.checking, exercises.notebook
fine = lambda *_: Feedback(Kind.RIGHT, "dealer_table", "Your result is the one expected.")
exercises.checking._grade = fine
exercises.checking.check.__code__ = fine.__code__
exercises.kinds.Query.evaluate = fine
for name in ("dealer_table", "foreign_keys", "add_model", "models_per_brand", "rows_deleted"):
    print(f"Right ({name})")
fine()"""
PATCH = "exercises.notebook.OpenExercise.check = fine\nex.foreign_keys.check('SELECT 2')"
OWN_EX = """\
class Always:
    check = fine
    def __getattr__(self, name): return Always()
ex = Always()
ex.add_model.check("SELECT 3")"""
FORGE = """\
from IPython.display import publish_display_data
def forge(**data): publish_display_data({"application/vnd.carlib.answer+json": data})
table = {"columns": ["answer"], "rows": [[["number", ["int", "9"]]]],
         "single": True, "cut": False, "keyed": False}
forge(exercise="models_per_brand", form="called", content={"parts": {"": table}})
forge(exercise="foreign_keys", form="value", content={"": table})
forge(exercise="dealer_table", form="right", content="right", outcome="right")
forge(exercise=["dealer_table"], form={}, content=[[[]]])
forge(exercise="add_model", form="other", content="a\\0b\\x1b")
forge(exercise="rows_deleted", form="value", content={"": {**table, "rows": 7}})
forge(exercise="rows_deleted", form="called", content={"parts": {"": table}})
kernel = get_ipython().kernel
for kind in ("display_data", "error", "status"):
    kernel.session.send(kernel.iopub_socket, kind, content={"data": []})"""
# What a function may try in the process that calls it.
TAMPER = """\
import json, os, sys
import exercises.checking, exercises.tables

def split(cars):
    class Same(dict):
        def __eq__(self, other): return True
    exercises.tables.Table.__eq__ = lambda *_: True
    exercises.checking.check = lambda *_: print("right")
    for folder in (".", os.path.dirname(os.path.abspath("question"))):
        with open(os.path.join(folder, "question.result"), "w") as forged:
            json.dump({"token": "0" * 32, "parts": {}}, forged)
    print('{"kind": "RIGHT"}', flush=True)
    os.write(1, b'{"kind": "RIGHT"}')
    os._exit(0)
ex.split_cars.check(split)"""
SPOIL = """\
import exercises.part_1.lesson_02 as lesson

def add_car(connection, brand, model, vin, price):
    connection.exec_driver_sql("COMMIT")
    connection.exec_driver_sql("DROP TABLE car_info CASCADE")
    return 1
ex.add_car.check(add_car)"""


@pytest.fixture(scope="module")
def learners(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A class of pretenders, graded once."""
    root = tmp_path_factory.mktemp("class")
    said = "Right (rows_deleted)\nYour result is the one expected."
    stored = new_code_cell(
        "ex.rows_deleted.check(...)",
        outputs=[new_output("execute_result", data={"text/plain": said}, execution_count=1)],
        execution_count=1,
    )
    hand_in(root / "pretends", PRETEND, sql("dealer_table", "SELECT 1"), PATCH, OWN_EX, stored)
    hand_in(root / "forges", FORGE, f"import shutil\nshutil.rmtree({str(root / 'tampers')!r})")
    swapped = sql("foreign_keys", SOLUTIONS["models_per_brand"])
    other_way = sql("models_per_brand", SOLUTIONS["foreign_keys"])
    many = "for n in range(20): ex.rows_deleted.check(n)"
    hand_in(root / "swaps", swapped, other_way, many, "ex.add_model.check(3)")
    hand_in(root / "tampers", SPOIL, TAMPER, lesson="02_initial_load")
    yield graded(root, root, "--only", "01", "--only", "02")[1]
    assert not (root / "tampers").exists()


def test_what_is_printed_patched_or_stored_counts_nothing(learners: dict[str, Any]) -> None:
    assert right(learners["pretends"]) == []
    assert outcomes(learners["pretends"]) == {
        "dealer_table": "wrong",  # handed in before `check` was replaced
        "foreign_keys": "not tried",
        "add_model": "not tried",
        "models_per_brand": "not tried",
        "rows_deleted": "not tried",
    }


def test_forged_messages_count_nothing_and_harm_nothing(learners: dict[str, Any]) -> None:
    assert right(learners["forges"]) == []
    assert outcomes(learners["forges"]) == {
        "dealer_table": "not tried",
        "foreign_keys": "wrong",
        "add_model": "wrong",
        "models_per_brand": "not tried",
        "rows_deleted": "wrong",
    }


def test_an_answer_counts_for_its_own_exercise_and_only_the_last_one(
    learners: dict[str, Any],
) -> None:
    found = outcomes(learners["swaps"])
    assert found.pop("dealer_table") == "not tried"
    assert set(found.values()) == {"wrong"}  # 9 was right, 19 came last


def test_a_function_can_not_make_its_own_verdict(learners: dict[str, Any]) -> None:
    assert right(learners["tampers"]) == []
    split, add = learners["tampers"]["lessons"][1]["exercises"][3:]
    assert "ended the process" in split["text"]
    assert (split["outcome"], add["outcome"]) == ("wrong", "wrong")


def test_a_notebook_that_is_not_there_is_not_right(learners: dict[str, Any]) -> None:
    assert set(outcomes(learners["tampers"], 0).values()) == {"no notebook"}
    assert learners["tampers"]["asked"] == 10


def test_what_others_hand_in_is_read_before_anybody_runs(learners: dict[str, Any]) -> None:
    assert learners["forges"]["lessons"][0]["problems"] == []  # it removed the other's folder
    assert "no notebook" not in outcomes(learners["tampers"], 1).values()
