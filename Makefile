# Everything the README names; `make help` lists it. Needs only make and Python >= 3.11.
# The two stamps in $(VENV) make a second run instant: they are older than
# pyproject.toml or constraints.txt only when something has to be installed again.

VENV := .venv
WORKERS := 2  # processes of the tests; each wants 3 GB
PY := $(VENV)/bin/python
INSTALL := $(PY) -m pip install -qq --disable-pip-version-check -c constraints.txt
PYTEST := $(PY) -m pytest -n $(WORKERS) --dist loadfile
# its threads would fight each other: two processes share the cores, XLA uses its own
export OPENBLAS_NUM_THREADS ?= 1
PYRIGHT_VERSION := $(shell sed -n 's/^pyright==//p' constraints.txt)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test slow mutants core lint format-check types layers docs examples validate bench wheel clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-20s %s\n", $$1, $$2 }'

demo: $(VENV)/.core  ## calibrate the embedded patient and write demo-report/
	@$(VENV)/bin/cordax demo -o demo-report --force

test: $(VENV)/.test  ## run the tests that are not slow
	@$(PYTEST) -m "not slow"

slow: $(VENV)/.test  ## run the slow tests
	@$(PYTEST) -m slow

mutants: $(VENV)/.test  ## make every deliberate mistake in a copy: a test must see each
	@$(PY) tests/mutants.py --all

core: $(VENV)/.test  ## run the small set that also runs on the newest Python
	@$(PY) -m pytest -m core

lint: $(VENV)/.dev  ## ruff check
	@$(VENV)/bin/ruff check .

format-check: $(VENV)/.dev  ## ruff format --check
	@$(VENV)/bin/ruff format --check .

types: $(VENV)/.dev  ## pyright, at the version in constraints.txt
	@PYRIGHT_PYTHON_FORCE_VERSION=$(PYRIGHT_VERSION) $(VENV)/bin/pyright --pythonpath $(PY)

layers: $(VENV)/.dev  ## imports go one way
	@$(VENV)/bin/lint-imports

docs: $(VENV)/.dev  ## build docs/_build/html; a warning is an error
	@$(VENV)/bin/sphinx-build -q -W --keep-going -E -b html docs docs/_build/html
	@echo docs/_build/html/index.html

examples: $(VENV)/.core  ## run every example at its small size, in build/examples
	@mkdir -p build/examples
	@set -e; for script in $(CURDIR)/examples/[0-9]*.py; do \
	  echo "== $$script"; (cd build/examples && CORDAX_EXAMPLE_SIZE=ci $(CURDIR)/$(PY) $$script); done

validate: $(VENV)/.test  ## run every check on real data; writes docs/validation.md
	@$(PY) benchmarks/validate.py

bench: $(VENV)/.test  ## measure the speed; writes benchmarks/RESULTS.md
	@$(PY) benchmarks/circulation_speed.py

wheel: $(VENV)/.dev  ## build dist/*.whl
	@$(PY) -m build --outdir dist .

clean:  ## back to a fresh checkout: remove .venv and everything built
	rm -rf $(VENV) build dist demo-report docs/_build *.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A name on the PATH may be a shim that answers with an error, so each is asked.
$(VENV)/.made:
	@found=; older=; \
	for name in python3.14 python3.13 python3.12 python3.11 python3; do \
	  version=$$($$name -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue; \
	  if $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then found=$$name; break; fi; \
	  older=$$version; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "cordax needs Python 3.11 or newer; found $${older:-none}. On Debian or Ubuntu type:" >&2; \
	  echo "  sudo apt install python3.11 python3.11-venv" >&2; exit 1; \
	fi; \
	if ! $$found -c 'import ensurepip, venv' 2>/dev/null; then \
	  echo "$$found (Python $$version) has no venv. On Debian or Ubuntu type:" >&2; \
	  echo "  sudo apt install python$$version-venv" >&2; exit 1; \
	fi; \
	echo "Setting up $(VENV) with Python $$version; the first time takes about a minute."; \
	$$found -m venv $(VENV) && touch $@

$(VENV)/.core: $(VENV)/.made pyproject.toml constraints.txt
	@$(INSTALL) -e . && touch $@

$(VENV)/.test: $(VENV)/.made pyproject.toml constraints.txt
	@$(INSTALL) -e '.[test]' && touch $(VENV)/.core $@

$(VENV)/.dev: $(VENV)/.made pyproject.toml constraints.txt
	@$(INSTALL) -e '.[test,docs,dev]' && touch $(VENV)/.core $(VENV)/.test $@
