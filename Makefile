# Each command sets up what it needs on a machine that has Python and Rust: `make demo`, `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CARGO_INPUTS := Cargo.toml Cargo.lock pyproject.toml $(shell find rust -name '*.rs' -o -name 'Cargo.toml')

.PHONY: demo test lint bench wheel clean tools

demo: $(VENV)/.installed-plot
	$(BIN)/python examples/demo.py demo-output

test: $(VENV)/.installed-test
	cargo test --locked
	$(BIN)/python -m pytest

lint: $(VENV)/.installed-lint
	cargo fmt --all --check
	PYO3_PYTHON=$(CURDIR)/$(BIN)/python cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --quiet
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/stubtest steepest._core

# make bench BENCH="--full", or any other options of benchmarks/__main__.py
bench: $(VENV)/.installed-bench
	$(BIN)/python benchmarks $(BENCH)

wheel: $(VENV)/.created
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

clean:
	rm -rf $(VENV) target dist demo-output

tools:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Python 3.11 or newer is needed, as $(PYTHON) (or: make PYTHON=python3.12 …): get it from python.org or your system's packages, with its venv module" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) lacks its venv module: install your system's package for it, such as python3-venv" >&2; exit 1; }
	@command -v cargo >/dev/null || { \
		echo "Rust 1.95 or newer is needed (cargo was not found): get it with rustup, https://rustup.rs" >&2; exit 1; }

$(VENV)/.created: | tools
	$(PYTHON) -m venv --clear $(VENV)
	@touch $@

# Python files are used where they lie; the extension is built again when Rust changed.
$(VENV)/.installed-%: $(CARGO_INPUTS) | $(VENV)/.created
	$(BIN)/python -m pip install --quiet --editable '.[$*]'
	@touch $@
