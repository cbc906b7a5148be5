"""Measurements side by side with what a user would pick instead; `python -m benchmarks` runs them.

One module a subject, with a `run(server_url, options)`; `__main__` lists them.
"""
