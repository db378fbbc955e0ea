# The two commands to know are `make demo` and `make test`; `make help` lists the others.

.DEFAULT_GOAL := help
.PHONY: help setup demo check test prove

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "make %-6s %s\n", $$1, $$2}' Makefile

setup: ## install what is missing to build and test, or say exactly how to
	@scripts/setup.sh

demo: setup ## build, make a branching of Fedora from a seed, and show what Tidegate decides about it
	@scripts/demo.sh

check: setup ## the quick part of the tests: formatting, lints, documentation, unit and integration tests
	@scripts/test.sh check

test: setup ## everything that has to hold before a change goes in; what CI runs
	@scripts/test.sh test

prove: export TIDEGATE_KERBEROS = 1
prove: export TIDEGATE_KAFKA = 1
prove: setup ## the long proofs: full-size scenarios over 50 seeds, mutants, fuzzing, benchmarks
	@scripts/test.sh prove
