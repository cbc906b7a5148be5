# Each target is one line to type; the first half makes .venv, and does nothing once it is there.
PYTHON ?= python3

run:
	@$(PYTHON) bootstrap.py && .venv/bin/carlib run $(ARGS)

lab:
	@$(PYTHON) bootstrap.py && .venv/bin/carlib lab $(ARGS)

test:
	@$(PYTHON) bootstrap.py && .venv/bin/python -m pytest -n 2 --dist loadscope $(ARGS)

bench:
	@$(PYTHON) bootstrap.py && .venv/bin/python -m benchmarks $(ARGS)

book:
	@$(PYTHON) bootstrap.py && .venv/bin/python -m sphinx -W --keep-going -E -d build/book-doctrees -c docs/book . build/book $(ARGS)

lock:
	@$(PYTHON) bootstrap.py && .venv/bin/uv pip compile --quiet --custom-compile-command "make lock" --universal --python-version 3.11 --generate-hashes pyproject.toml --group dev -o requirements.lock $(ARGS)

.PHONY: run lab test bench book lock
