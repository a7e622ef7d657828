# make run    train wye/quick on CIFAR-10 and write a report
# make test   lint, types and every test
# make docs   write the generated parts of README.md and docs/
# make bench  measure speed and memory, and write docs/performance.md
# make soak   kills, sharing, generated inputs for half an hour, and write docs/reliability.md
# make env    only the environment, in .venv

PYTHON ?= python3
BIN := .venv/bin
RUN := runs/make-run

.PHONY: env run test lint docs bench soak clean

env: .venv/ready

.venv/ready: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing into .venv"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		-c constraints.txt -e '.[dev]'
	@touch $@

# Without a source of CIFAR-10 the same goes on with a generated data set, and says so.
run: env
	@data=cifar10; \
	$(BIN)/wye data fetch cifar10 || { \
		echo "going on with the generated data set 'shapes' instead of CIFAR-10"; data=shapes; }; \
	rm -rf $(RUN) && \
	$(BIN)/wye train wye/quick data=$$data --out $(RUN) && \
	echo "report: $$($(BIN)/wye report $(RUN) --out report)"

lint: env
	@$(BIN)/ruff check src tests docs benchmarks
	@$(BIN)/ruff format --check src tests docs benchmarks
	@$(BIN)/mypy

test: lint
	@$(BIN)/python -m pytest -n 2 --dist worksteal

docs: env
	@$(BIN)/python docs/build.py

bench: env
	@$(BIN)/python -m benchmarks --out docs/performance.md

soak: env
	@$(BIN)/python -m benchmarks.soak --out docs/reliability.md

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
