# make run    train wye/quick on CIFAR-10 and write a report
# make test   lint, types and every test
# make env    only the environment, in .venv

PYTHON ?= python3
SEED ?= 0
BIN := .venv/bin
OUT := runs/wye/quick/seed-$(SEED)

.PHONY: env run test lint clean

env: .venv/ready

.venv/ready: pyproject.toml constraints.txt src/wye/__init__.py
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[report,dev]'
	@touch $@

run: env
	@$(BIN)/python -m wye.cli.first_run --seed $(SEED)

lint: env
	$(BIN)/ruff check src tests
	$(BIN)/ruff format --check src tests
	$(BIN)/mypy

test: lint
	$(BIN)/python -m pytest -n 2

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
