# Two commands are enough: `make run` and `make test`. The first call installs everything into .venv.
# All paths are relative, so the folder may be called anything, spaces included.

.DEFAULT_GOAL := help
.PHONY: help run test proof bench clean ready browser
.DELETE_ON_ERROR:
SHELL := /bin/sh

# Python to make .venv with, e.g. `make test PYTHON=python3.13`. Empty: the first one that is new enough.
PYTHON ?=
CANDIDATES := $(if $(PYTHON),"$(PYTHON)",python3 python3.13 python3.12 python3.11 python3.14 python)
SCENARIO ?= scenarios/salt_aquarium.yaml
# More words for pytest, e.g. `make test PYTEST="-k walls"`.
PYTEST ?=

VENV := .venv
IN := $(VENV)/bin/python
# .venv is whole while `finished` is newer than what it was made from; `begun` marks an interrupted installation.
FINISHED := $(VENV)/diffusim-finished
BEGUN := $(VENV)/diffusim-begun
NEW_ENOUGH_WITH_PIP := $(IN) -I -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
HEALTHY := $(IN) -I -c 'import importlib.util as u, pathlib, sys; \
	here = pathlib.Path.cwd().resolve(); \
	missing = [n for n in "pip click h5py hatchling hypothesis matplotlib mypy numba numpy PIL pydantic pytest rich ruamel ruff scipy".split() if u.find_spec(n) is None]; \
	found = u.find_spec("diffusim"); \
	sys.exit(bool(missing) or sys.version_info < (3, 11) or found is None or pathlib.Path(found.origin).resolve().parents[1] != here)' \
	2>/dev/null

# Compiled tests are kept in __pycache__ even where Python is told to keep nothing: that saves each worker six seconds.
KEEP := PYTHONDONTWRITEBYTECODE=

BROWSER := command -v chromedriver >/dev/null && \
	{ command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null

help: ## say what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' Makefile

run: ready ## run the scenario of the salt aquarium (SCENARIO=file.yaml for another); results go to outputs/
	$(VENV)/bin/diffusim run "$(SCENARIO)"

test: ready ## run the tests, then those of the loops once more with the compiler switched off (4 minutes)
	$(KEEP) $(IN) -m pytest -n 2 $(PYTEST)
	$(KEEP) NUMBA_DISABLE_JIT=1 $(IN) -m pytest -q -n 2 -m "interpreted and not proof" $$(grep -l mark.interpreted tests/*.py)

proof: ready browser ## run the long checks and leave their figures in outputs/proof.md (10 minutes)
	$(IN) -m pytest -n 2 -m proof --durations=10 $(PYTEST)

bench: ready ## measure the speed of loops and methods
	@set -e; for file in benchmarks/*.py; do echo "== $$file"; $(IN) "$$file"; done

clean: ## remove .venv, outputs/ and what the tools left
	rm -rf $(VENV) outputs build dist .pytest_cache .hypothesis .mypy_cache .ruff_cache .import_linter_cache .coverage htmlcov
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Reports are looked at in a browser, for which Debian has packages; its programs are left alone where they are there.
browser:
	@if ! { $(BROWSER); }; then \
		echo "Installing Debian's chromium and chromium-driver, in which reports are looked at ..."; \
		as_root="env"; [ "$$(id -u)" = 0 ] || as_root="sudo -n env"; \
		{ $$as_root apt-get update -qq; \
		  $$as_root DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium chromium-driver; \
		} >/dev/null 2>&1 </dev/null; \
		{ $(BROWSER); } || { \
			echo 'make proof looks at reports in Chromium, which is missing here and could not be installed. As root: apt-get install chromium chromium-driver' >&2; exit 1; \
		}; \
	fi

# An environment that was finished once and is broken now is made anew, not mended.
ready:
	@if [ -e $(FINISHED) ] && ! $(HEALTHY); then echo "$(VENV) is broken and will be made again."; rm -rf $(VENV); fi
	@$(MAKE) --silent --no-print-directory $(FINISHED)

$(FINISHED): pyproject.toml constraints.txt
	@if [ -e $(BEGUN) ]; then echo "An earlier installation was interrupted; $(VENV) is made again."; rm -rf $(VENV); fi
	@if ! $(NEW_ENOUGH_WITH_PIP); then \
		for candidate in $(CANDIDATES); do \
			if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then chosen=$$candidate; break; fi; \
		done; \
		if [ -z "$$chosen" ]; then \
			echo 'diffusim needs Python 3.11 or newer; tried: $(subst ",,$(CANDIDATES)). Name one with: make PYTHON=/path/to/python' >&2; exit 1; \
		fi; \
		rm -rf $(VENV); mkdir $(VENV); touch $(BEGUN); \
		"$$chosen" -m venv $(VENV) || { \
			rm -rf $(VENV); \
			echo "$$chosen cannot make an environment; on Debian and Ubuntu the package python3-venv is missing." >&2; exit 1; \
		}; \
	fi
	@touch $(BEGUN)
	@echo "Installing diffusim and what it needs into $(VENV) ..."
	@PIP_USER=0 $(IN) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@$(HEALTHY) || { echo "The installation in $(VENV) is incomplete; remove the folder $(VENV) and call make again." >&2; exit 1; }
	@rm -f $(BEGUN); touch $@
