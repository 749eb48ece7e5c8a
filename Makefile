# Every task of the house. `make` alone prints this file's help.
#
# Law: nothing is needed beforehand but Python 3.11 or newer (with its venv module) and make; with a C
# compiler the compiled fast path is built, without one the pure twin runs and that is said loudly.
# The network is used for PyPI only, and only versions named in the locks are installed. A second
# run of any target rebuilds nothing.

.SHELLFLAGS := -euc
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
# RUNTIME=1 leaves out what only tests and tools need; the container image is built so.
RUNTIME ?=
INSTALLED := $(VENV)/.installed$(if $(RUNTIME),-runtime)
RIVALS := $(VENV)/.installed-rivals
BUILT := $(VENV)/.built
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
EXTENSIONS := $(wildcard fastpath/*.pyx fastpath/*.pxd)
CODE := gateway fastpath setup.py conftest.py tests benchmarks loadtests docs

# Arguments of one's own: make run ARGS=--once, make test TESTS=tests/domain, make test JOBS=4
ARGS ?=
TESTS ?= tests
JOBS ?= $(shell n=$$(nproc 2>/dev/null || echo 2); echo $$(( n < 2 ? 2 : n > 8 ? 8 : n )))
PYTEST := $(BIN)/python -m pytest
# Alipay's official client shares its package name with another, so it is installed apart.
ALIPAY_SDK := build/interop/alipay-sdk-python/.installed
UV_VERSION := 0.13.9

# A moved or copied folder, or a Python that is gone, makes the environment void.
ifeq ($(shell $(BIN)/python -c 'import sys; print(sys.prefix)' 2>/dev/null),$(CURDIR)/$(VENV))
SOUND := yes
else
SOUND :=
$(shell rm -f $(VENV)/.installed* $(BUILT))
endif

# Built without a compiler, and now there is one: compile.
ifeq ($(wildcard fastpath/*.so)$(filter 1,$(FASTPATH_PURE)),)
$(shell command -v $(CC) >/dev/null && rm -f $(BUILT))
endif

##@ Start

.PHONY: build
build: $(BUILT) ## Prepare .venv from the lock and compile the fast path
	@echo "Ready: $(BIN)/tillgate"

.PHONY: run
run: $(BUILT) ## Start everything, make one demonstration payment, stay up (ARGS=--once: stop)
	@exec $(BIN)/tillgate demo $(ARGS)

##@ Prove

.PHONY: check
check: $(BUILT) ## Format, lint, types, import law and the pure tests; a minute, needs no database
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(PYTEST) -q -n $(JOBS) -m "fast and not system" $(TESTS) $(ARGS)

.PHONY: test
test: $(BUILT) $(ALIPAY_SDK) ## All tests but those that need Debian's programs (TESTS=tests/domain: some)
	$(PYTEST) -q -n $(JOBS) -m "not system" $(TESTS) $(ARGS)

.PHONY: test-fast
test-fast: $(BUILT) ## The pure tests only: no database, no socket, no clock
	$(PYTEST) -q -n $(JOBS) -m "fast and not system" $(TESTS) $(ARGS)

.PHONY: test-system
test-system: $(BUILT) ## Tests against Debian's own programs (postgresql-15)
	@ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || { \
	  echo "make test-system needs Debian's postgresql package: apt-get install postgresql" >&2; \
	  exit 1; }
	$(PYTEST) -q -m system $(TESTS) $(ARGS)
	POSTGRES_OF_TESTS=15 $(PYTEST) -q -n $(JOBS) tests/adapters/postgres/test_lint.py \
	  tests/adapters/postgres/test_migrate.py

##@ Measure

.PHONY: bench
bench: $(BUILT) $(RIVALS) ## Against hello, rival services, COPY and our own twins; 45 min (ARGS=--quick: 5)
	$(BIN)/python -m benchmarks $(ARGS)

.PHONY: load
load: $(BUILT) ## Two minutes of locust merchants, then all they were told is compared (ARGS=--web: a page)
	$(BIN)/python -m loadtests.run $(ARGS)

##@ Write

.PHONY: format
format: $(BUILT) ## Put the code into its one form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: docs
docs: $(BUILT) ## Write the generated documents again (error codes, lifecycles)
	$(BIN)/python -m docs.generate

.PHONY: lock
lock: ## Fix the versions again from pyproject.toml (newest that its bounds allow)
	@python=$$($(find_python)); "$$python" -m venv build/lock
	build/lock/bin/python -m pip -q install uv==$(UV_VERSION)
	printf '%s\n' 'setuptools>=80' 'cython==3.3.1' | build/lock/bin/uv pip compile -q --upgrade \
	  --universal --python-version 3.11 --generate-hashes --custom-compile-command 'make lock' \
	  --extra embedded -o requirements.lock pyproject.toml -
	build/lock/bin/uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes \
	  --custom-compile-command 'make lock' --extra embedded --extra load --extra dev \
	  -o requirements-dev.lock pyproject.toml requirements.lock
	build/lock/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	  --custom-compile-command 'make lock' --extra bench -c requirements-dev.lock \
	  -o requirements-bench.lock pyproject.toml

##@ Look

.PHONY: where
where: ## List every file of one subject: make where subject=refund
	@[ -n "$(subject)" ] || { echo "Which subject? make where subject=refund" >&2; exit 2; }
	@find gateway fastpath benchmarks loadtests tests docs deploy -type f \
	  -iname '*$(subject)*' ! -name '*.pyc' ! -name '*.so' ! -name '*.c' 2>/dev/null | sort | grep . \
	  || { echo "No file is named after '$(subject)'." >&2; exit 1; }

.PHONY: clean
clean: ## Remove all that make has made, the environment too
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .hypothesis .mypy_cache .ruff_cache \
	  .import_linter_cache fastpath/*.so fastpath/*.c fastpath/*.html
	find $(CODE) -type d -name __pycache__ -prune -exec rm -rf {} +

.PHONY: help
help: ## This text
	@echo "Tillgate: a self-hosted payment system. Tasks:"
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# The first Python that is new enough and can make environments; PYTHON=... decides otherwise.
define find_python
for python in $${PYTHON:-python3 python3.13 python3.12 python3.11 python3.14 /usr/bin/python3}; do \
  if "$$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
  then "$$python" -c 'import sys; print(sys.executable)'; exit 0; fi; done; \
{ echo "Tillgate needs Python 3.11 or newer with its venv module, and found none$${PYTHON:+ in PYTHON=$$PYTHON}."; \
  echo "python3 is: $$(python3 --version 2>&1 || true)"; \
  echo "On Debian 12: apt-get install python3 python3-venv. Elsewhere name one: PYTHON=/path/to/python3"; \
} >&2; exit 1
endef

# The stamps. The first: the environment holds exactly what the lock names. The second: the package
# is installed in place and its extensions are compiled from the present sources.
$(INSTALLED): requirements.lock $(if $(RUNTIME),,requirements-dev.lock)
	@[ -x $(BIN)/python ] && $(BIN)/python -m pip --version >/dev/null 2>&1 && [ "$(SOUND)" ] || { \
	  python=$$($(find_python)); echo "Making $(VENV) with $$("$$python" --version) ($$python)"; \
	  "$$python" -m venv --clear $(VENV); }
	$(PIP) install -q --require-hashes -r requirements.lock
	$(if $(RUNTIME),,$(PIP) install -q --require-hashes --no-build-isolation --use-pep517 -r requirements-dev.lock)
	@touch $@

# What only the rivals of `make bench` need.
$(RIVALS): $(INSTALLED) requirements-bench.lock
	$(PIP) install -q --require-hashes -r requirements-bench.lock
	@touch $@

$(ALIPAY_SDK): tests/interop/alipay-sdk-python.lock $(INSTALLED)
	@rm -rf $(@D)
	$(PIP) install -q --require-hashes --no-compile --target $(@D) -r $<
	@touch $@

$(BUILT): $(INSTALLED) pyproject.toml setup.py $(EXTENSIONS)
	@# `compat` is a plain path: the other mode's finder would lend this folder's extensions to copies.
	FASTPATH_PURE=1 FASTPATH_REQUIRE= $(PIP) install -q --no-deps --no-build-isolation \
	  --config-settings editable_mode=compat -e .
	@touch $(VENV)/.began
	$(BIN)/python setup.py -q build_ext --force --inplace
	@# What could not be compiled anew must not go on living as yesterday's extension.
	@find fastpath -name '*.so' ! -newer $(VENV)/.began -delete
	@$(BIN)/python -c 'import fastpath; print("fast path:", fastpath.IMPLEMENTATION)'
	@touch $@
