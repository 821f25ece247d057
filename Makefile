# The checks of .ci/run one by one, from the environment in .venv. Another one: make BIN=/its/bin lint
BIN ?= .venv/bin

.PHONY: all lint format-check types imports test

all: lint format-check types imports test

lint:
	$(BIN)/ruff check

format-check:
	$(BIN)/ruff format --check

types:
	$(BIN)/mypy
	$(BIN)/mypy scripts

imports:
	$(BIN)/lint-imports

test:
	$(BIN)/pytest
