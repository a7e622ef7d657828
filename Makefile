# make run    train wye/quick on CIFAR-10 and write a report
# make test   lint, types and every test
# make docs   write the generated parts of README.md and docs/, and build the site in site/
# make bench  measure speed and memory, and write docs/performance.md
# make soak   kills, sharing, generated inputs for half an hour, and write docs/reliability.md
# make supply the releases, licences and bill of materials of the environment: constraints.txt,
#             locked.txt (their hashes), docs/licences.md and build/sbom.json (CycloneDX)
# make env    only the environment, in .venv
# make locked the same, from files whose hashes are in locked.txt and no others

PYTHON ?= python3
BIN := .venv/bin
RUN := runs/make-run

SUPPLY := build/supply/bin

.PHONY: env locked run test lint docs bench supply soak clean

env: .venv/ready

.venv/ready: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing into .venv"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		-c constraints.txt -e '.[dev]'
	@touch $@

# What is built here, from this folder, has no hash; all else must have one.
locked:
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing into .venv, hashes checked"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--require-hashes --no-deps -r locked.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch .venv/ready

# Without a source of CIFAR-10 the same goes on with a generated data set, and says so.
run: env
	@data=cifar10; \
	$(BIN)/wye data fetch cifar10 || { \
		echo "going on with the generated data set 'shapes' instead of CIFAR-10"; data=shapes; }; \
	rm -rf $(RUN) && \
	$(BIN)/wye train wye/quick data=$$data --out $(RUN) && \
	echo "report: $$($(BIN)/wye report $(RUN) --out report)"

lint: env
	@$(BIN)/ruff check src tests docs benchmarks examples
	@$(BIN)/ruff format --check src tests docs benchmarks examples
	@$(BIN)/mypy

test: lint
	@$(BIN)/python -m pytest -n 2 --dist worksteal

docs: env
	@$(BIN)/python docs/_generate/build.py
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict && echo site/index.html

bench: env
	@$(BIN)/python -m benchmarks --out docs/performance.md

soak: env
	@$(BIN)/python -m benchmarks.soak --out docs/reliability.md

# The tools have an environment of their own, so that they are not on the bill.
$(SUPPLY)/pip-licenses:
	@$(PYTHON) -m venv build/supply
	@$(SUPPLY)/python -m pip install --quiet --disable-pip-version-check \
		cyclonedx-bom==7.5.0 pip-licenses==5.5.5 uv==0.13.9

supply: env $(SUPPLY)/pip-licenses
	@{ echo "# The releases that the Makefile installs and tests with; written by make supply."; \
		$(BIN)/python -m pip freeze --exclude-editable | sed 's/+cpu$$//'; } > constraints.txt
	@# torch is its build for CPUs, a file of its own: the index's asks for several GB of CUDA.
	@rm -rf build/torch && $(BIN)/python -m pip download --quiet --disable-pip-version-check \
		--no-deps -d build/torch "torch==$$($(BIN)/pip freeze | sed -n 's/^torch==//p')"
	@grep -v '^torch==' constraints.txt > build/others.txt
	@{ echo "# The hashes of all files of these releases; written by make supply."; \
		$(BIN)/pip freeze | sed -n 's/^torch==.*/& \\/p'; \
		echo "    --hash=sha256:$$(sha256sum build/torch/* | cut -c1-64)"; \
		$(SUPPLY)/uv pip compile --quiet build/others.txt --generate-hashes --no-deps --no-header \
			--no-annotate --python $(BIN)/python; } > locked.txt
	@{ echo "# Licences of the environment"; echo; \
		echo "Of every package that \`make env\` installs, Wye's extras and tools among them, as their"; \
		echo "metadata say; written by \`make supply\`. \`pip install .\` alone brings far fewer."; echo; \
		$(SUPPLY)/pip-licenses --python=$(BIN)/python --from=mixed --format=markdown \
			--ignore-packages wye; } > docs/licences.md
	@$(SUPPLY)/cyclonedx-py environment $(BIN)/python --of JSON -o build/sbom.json
	@echo "constraints.txt, locked.txt, docs/licences.md, build/sbom.json"

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
