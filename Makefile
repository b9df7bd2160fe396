# Every target works from a fresh clone: the first call makes .venv and installs what CI tested.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

# .typing holds the packages under their import name, as mypy wants to find them.
# A folder named compression in the working directory must never shadow a standard module.
export PYTHONSAFEPATH := 1

.PHONY: help demo serve test test-fast lint format bench clean
.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

$(READY): pyproject.toml constraints.txt csrc/CMakeLists.txt $(wildcard csrc/*.cpp csrc/*.h)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Pressmark needs Python 3.11 or newer; name one: make PYTHON=python3.12"; exit 1; }
	@command -v $${CXX:-c++} >/dev/null || { echo "Pressmark needs a C++17 compiler (for example: apt-get install g++)"; exit 1; }
	@echo "Making $(VENV) (the first time takes a minute or two)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade pip
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@mkdir -p .typing/pressmark
	@for part in ontology registry compression api; do ln -sfn ../../$$part .typing/pressmark/$$part; done
	@touch $@

demo: $(READY) ## import a real model, prune and quantize it, prove where the result comes from
	@$(BIN)/pressmark demo $(ARGS)

serve: $(READY) ## the HTTP service over .pressmark, which is made if it is missing; ARGS=--anonymous to look around
	@test -d .pressmark || $(BIN)/pressmark init
	@$(BIN)/pressmark serve $(ARGS)

test: $(READY) ## the whole test suite, real models included
	@$(BIN)/python -m pytest -q $(ARGS)

test-fast: $(READY) ## the tests that need no real model
	@$(BIN)/python -m pytest -q -m 'not slow' $(ARGS)

lint: $(READY) ## formatting, ruff, mypy --strict
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy -p pressmark

format: $(READY) ## rewrite the code in the project's format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(READY) ## print the benchmark table of this machine
	@$(BIN)/python tests/bench/run.py $(ARGS)

clean: ## remove what the build and the tests made
	rm -rf build .typing .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis demo-out $(VENV)
