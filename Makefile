.PHONY: check test test-all nightly

check:  ## lint, format and types
	ruff check .
	ruff format --check .
	mypy

test:  ## the fast tests, a few minutes
	python -m pytest -n 2 --dist worksteal

test-all:  ## with the slow ones, and vLLM's where it is installed
	python -m pytest -n 2 --dist worksteal -m "not gpu and not nightly"

nightly:  ## the longest tests, an hour and more
	python -m pytest -n 2 --dist worksteal -m "nightly and not gpu"
