"""Grades learners' notebooks, whose code is nobody's friend.

The way, one direction:

1. `submissions` reads the notebooks of all learners before anything of them runs. Only the text of
   their cells is used: stored outputs, tags and metadata are not.
2. `sitting` executes a notebook in a kernel of its own, on a server of its own, within limits. What
   comes out is what was handed to `check`, never a verdict: SQL as text, a value as plain data,
   the source of a function. Printed text, a patched `check` and an `ex` of one's own count nothing.
3. `trial` runs each handed-in function in a process of its own and keeps the results, as data.
4. `examination` begins when all of these processes are gone. On a new server, as a role that owns
   nothing but its schema, `exercises` compares each answer with the solution's result.
5. `report` and `junit` write what came out.

None of this is a wall against malice: the processes of 2 and 3 run as the user who grades. Who does
not trust the learners gives the command a container or an account of its own.
"""
