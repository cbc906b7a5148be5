"""Exercises of the lessons: asked, checked, hinted at and solved in the notebook.

    import exercises

    ex = exercises.open_lesson(engine, "lesson_01")
    ex                                         # the list of exercises
    ex.models_per_brand                        # the question
    ex.models_per_brand.check(answer)          # right, not right yet, or not tried yet
    ex.models_per_brand.hint()                 # the next hint
    ex.models_per_brand.solution()

An exercise is one object in the module of its lesson, ``exercises/part_N/lesson_NN.py``. The
notebook and the tests find new objects and new modules by themselves. Six steps to add one:

1. Choose the kind by what the learner writes: `Query`, `Change`, `Function` or `Value` (kinds.py).
2. Write the question, in one to four sentences. If row order, column names or a single statement
   count, say so.
3. Write the solution. Mark the lines that the learner is to write with ``--?`` (SQL) or ``#?``
   (Python) at their end. Put the `stub`, which is what remains, and the check into the notebook.
4. Write at least two hints, each closer to the answer, and at least two typical wrong answers with
   a hint for each. A wrong answer replaces parts of the solution (``replace``) or is given in full.
5. Rely on the lesson's tables but never on their rows: learners choose how many there are. The
   rows that separate right from wrong come with the exercise (`Setup`), and its note mentions them.
6. Run ``pytest tests/exercises/test_exercises.py -k NAME``. On 3,000 cars, on two and on none (the
   last two are marked slow), the solution must be accepted, and every wrong answer refused with
   its own hint.

What several lessons need beside exercises is here too: `time_in_turn`, `times_as_long` and
`draw_times` measure and show how long things take, `align_text_left` sets texts in tables left.
"""

from exercises.display import align_text_left
from exercises.exercise import Exercise, Setup, WrongAnswer
from exercises.feedback import Feedback, Outcome
from exercises.kinds import Change, Function, Query, Value
from exercises.notebook import lessons, open_lesson
from exercises.timing import draw_times, time_in_turn, times_as_long

__all__ = [
    "Change",
    "Exercise",
    "Feedback",
    "Function",
    "Outcome",
    "Query",
    "Setup",
    "Value",
    "WrongAnswer",
    "align_text_left",
    "draw_times",
    "lessons",
    "open_lesson",
    "time_in_turn",
    "times_as_long",
]
