# Each target is one line to type; its first half makes .venv, and does nothing once that is there.
PYTHON ?= python3
LOCK = .venv/bin/uv pip compile --quiet --custom-compile-command "make lock" --universal --python-version 3.11 --generate-hashes

run:
	@$(PYTHON) bootstrap.py && .venv/bin/carlib run $(ARGS)

lab:
	@$(PYTHON) bootstrap.py && .venv/bin/carlib lab $(ARGS)

test:
	@$(PYTHON) bootstrap.py dev && .venv/bin/python -m pytest -n 2 --dist loadscope -m "not slow" $(ARGS)

bench:
	@$(PYTHON) bootstrap.py dev && .venv/bin/python -m benchmarks $(ARGS)

book:
	@$(PYTHON) bootstrap.py dev && .venv/bin/python -m sphinx -W --keep-going -E -d build/book-doctrees -c docs/book . build/book $(ARGS)

lock:
	@$(PYTHON) bootstrap.py dev && $(LOCK) pyproject.toml --group install -o requirements/core.txt $(ARGS) && $(LOCK) --group pyproject.toml:dev --constraint requirements/core.txt -o requirements/dev.txt $(ARGS)

.PHONY: run lab test bench book lock
