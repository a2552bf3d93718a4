PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet
# What is not in the lock, or is not the file that was locked, is not installed.
LOCKED := $(PIP) --require-hashes -r
# Its build backend is in the lock too.
OPSLIB := $(PIP) --no-deps --no-build-isolation -e .
BACKEND := sed -n 's/^requires = \["\(.*\)", "\(.*\)"\]/\1\n\2/p' pyproject.toml
# PySpark, and what builds it: PyPI has it as source only. Everything else that it needs is in the other locks.
SPARK := sed -n 's/^spark = \["\(.*\)"\]/\1\nsetuptools/p' pyproject.toml
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11.5 --generate-hashes --upgrade --no-header \
  --no-annotate
# More workers than cores: a test often waits, for a server, for a browser.
WORKERS := $(shell cores=$$(getconf _NPROCESSORS_ONLN); echo $$((cores < 3 ? 4 : 6)))
# A ledger is flushed to disk at each entry, so the tests' files are in memory where that has room.
SCRATCH := $(shell df -k /dev/shm 2>/dev/null | awk '$$4 > 4000000 && $$6 == "/dev/shm" {print $$6}')
# A file at a time, in the order of tests/conftest.py.
PYTEST := $(if $(SCRATCH),TMPDIR=$(SCRATCH)) $(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --nbval

.DEFAULT_GOAL := help
.PHONY: help install lab test test-spark java campaign mutants steady audit lint notebooks constraints vulnerabilities clean

help:  ## Show this list
	@echo "opslib: make TARGET   (Python 3.11.5 or newer; choose one with PYTHON=python3.12)"
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' Makefile

install: .venv/.installed  ## Install opslib into .venv

lab: .venv/.installed  ## Start the sandbox and JupyterLab on the first notebook
	$(BIN)/opslib lab

test: .venv/.installed-test  ## Run every test, and the notebooks against their stored outputs
	$(PYTEST) notebooks tests

test-spark: .venv/.installed-spark  ## Run the archive's tests on Spark, which needs Java 17 (450 MB are installed)
	$(if $(SCRATCH),TMPDIR=$(SCRATCH)) $(BIN)/pytest -m spark tests/archive

mutants: .venv/.installed-test  ## Break what keeps people safe, line by line, and see whether a test notices (half an hour)
	$(PIP) 'mutmut~=3.8'
	rm -rf mutants
	$(if $(SCRATCH),TMPDIR=$(SCRATCH)) nice $(BIN)/python -m tests.mutants

campaign: .venv/.installed-test  ## Spoil the answers to 1200 requests, disturb this machine, note it in docs/reliability.md
	$(if $(SCRATCH),TMPDIR=$(SCRATCH)) $(BIN)/python -m tests.campaign --write

steady: .venv/.installed-test  ## Run the notebooks five times in a row, each with a random hash seed
	for run in 1 2 3 4 5; do PYTHONHASHSEED=$$(shuf -i 1-4294967295 -n 1) $(PYTEST) notebooks -q || exit 1; done

audit: .venv/.installed  ## Onboard on the sandbox without a screen, write the audit to out/ and verify it
	OPSLIB_HOME=build/workspace $(BIN)/opslib onboard --sandbox --yes
	OPSLIB_HOME=build/workspace $(BIN)/opslib audit --out out
	$(BIN)/opslib verify out

lint: .venv/.installed-test  ## Check style, types and the order of imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy -p opslib -m tests.notebooks.build
	$(BIN)/lint-imports

notebooks: .venv/.installed-test  ## Rebuild notebooks/*.ipynb from notebooks/.source/*.py
	$(BIN)/python -m tests.notebooks.build

constraints: .venv/.installed-test  ## Upgrade everything within pyproject.toml's bounds and lock it, with hashes
	$(PIP) uv
	$(BACKEND) | $(LOCK) pyproject.toml - --extra test -o constraints-test.txt
	$(BACKEND) | $(LOCK) pyproject.toml - -c constraints-test.txt -o constraints.txt
	$(SPARK) | $(LOCK) - -c constraints-test.txt -o constraints-spark.txt

vulnerabilities: .venv/.installed-test  ## Look up known vulnerabilities of everything that is locked
	$(PIP) pip-audit
	$(BIN)/pip-audit --strict --require-hashes --disable-pip -r constraints-test.txt -r constraints-spark.txt

clean:  ## Remove .venv, caches, out/ and build/ with the workspace of make audit (never another one)
	rm -rf .venv out build dist mutants .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing opslib into .venv: a minute or two"
	$(LOCKED) constraints.txt
	$(OPSLIB)
	@touch $@

.venv/.installed-test: pyproject.toml constraints-test.txt | $(BIN)/python
	@echo "Installing opslib and its test tools into .venv: a minute or two"
	$(LOCKED) constraints-test.txt
	$(OPSLIB)
	@touch $@ .venv/.installed

.venv/.installed-spark: constraints-spark.txt | java .venv/.installed-test
	@echo "Installing PySpark into .venv: 450 MB, a minute or two"
	sed -n '/^setuptools/,$$p' constraints-spark.txt | $(LOCKED) /dev/stdin
	$(LOCKED) constraints-spark.txt --no-build-isolation
	@touch $@

java:
	@"$${JAVA_HOME:+$$JAVA_HOME/bin/}java" -version >/dev/null 2>&1 || \
	  { echo "Spark needs Java 17 or newer, and no Java was found: apt-get install default-jre-headless" >&2; exit 1; }

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11, 5))' || \
	  { echo "opslib needs Python 3.11.5 or newer; $(PYTHON) is not. Try: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }
