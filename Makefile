# make demo   set everything up on a fresh machine and serve the sandbox
# make test   set everything up and pass the whole suite
# make bench  print figures (start-up, memory, the sample questions, callbacks a second)

PY := .venv/bin/python
PORT ?= 8080

.PHONY: demo test lint bench clean

demo: .venv/.ready
	@$(PY) -m bot serve --demo --port $(PORT)

test: .venv/.ready-dev
	@$(PY) -m pytest $(ARGS)

lint: .venv/.ready-dev
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@.venv/bin/lint-imports

bench: .venv/.ready
	@$(PY) -m bot bench start
	@$(PY) -m bot bench ask
	@$(PY) -m bot bench wire --seconds 3

clean:
	rm -rf .venv var

.venv/.ready: requirements.lock pyproject.toml deploy/setup.sh
	@./deploy/setup.sh requirements.lock .venv/.ready

.venv/.ready-dev: requirements-dev.lock pyproject.toml deploy/setup.sh
	@./deploy/setup.sh requirements-dev.lock .venv/.ready-dev
	@touch .venv/.ready
