"""Exercises of the lessons: asked, checked, hinted at and solved in the notebook.

    import exercises

    ex = exercises.open_lesson(engine, "lesson_01")
    ex                                         # what there is
    ex.models_per_brand                        # the question
    ex.models_per_brand.check(answer)          # right, not right yet, or not tried yet
    ex.models_per_brand.hint()                 # the next hint
    ex.models_per_brand.solution()

To add an exercise, add one object to the module of its lesson; to add a lesson, add a module
``lesson_NN.py`` of such objects. The notebook and the tests find both by themselves.

1. Choose the kind by what the learner writes: `Query`, `Change`, `Function` or `Value` (kinds.py).
2. Ask in one to four sentences. Say so where row order, column names or a single statement count.
3. Write the solution, and mark at the end of a line (``--?`` in SQL, ``#?`` in Python) what the
   stub leaves out. Show the stub in the lesson as `stub` gives it, followed by the check.
4. Write down at least two typical wrong answers, each with its hint, as what people write instead
   of a part of the solution (``swap``) or in full, and two hints or more, each nearer the answer.
5. Rely on the lesson's tables, never on its rows: learners and instructors choose how many there
   are. Rows that tell right from wrong come with the exercise's `Setup`; the note says what is
   added. A wrong answer that the rows at hand don't tell from the solution would pass.
6. Run ``pytest tests/exercises/test_exercises.py``: on empty tables, on two cars and on 3,000, the
   solution must be accepted and every wrong answer refused with its own hint.
"""

from exercises.exercise import Exercise, Setup, WrongAnswer
from exercises.feedback import Feedback, Kind
from exercises.kinds import Change, Function, Query, Value
from exercises.notebook import lessons, open_lesson

__all__ = [
    "Change",
    "Exercise",
    "Feedback",
    "Function",
    "Kind",
    "Query",
    "Setup",
    "Value",
    "WrongAnswer",
    "lessons",
    "open_lesson",
]
