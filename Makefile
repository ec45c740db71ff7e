# The commands of this project. Each is a script in scripts/ that can also be run alone.
.DEFAULT_GOAL := help
.PHONY: help serve test bench bench-lists check fmt dev clean-cache

help: ## This list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

serve: ## Build the release if needed and run it on http://127.0.0.1:3000 (ARGS="..." is passed on)
	@exec scripts/serve.sh $(ARGS)

test: ## Everything: format, clippy, SQLite and PostgreSQL, wasm, browser, SDK (STAGES="fmt clippy" for some)
	@exec scripts/test.sh $(STAGES)

bench: ## Measure the release beside its bare upstream and nginx (WRITE=1 also writes docs/benchmarks.md)
	@exec scripts/bench.sh

bench-lists: ## Measure lists and dashboards over many rows (ROWS=5000000 DB=postgres WRITE=1)
	@exec scripts/bench_lists.sh

check: ## Quick look while working: format and clippy
	@exec scripts/test.sh fmt clippy

fmt: ## Format the Rust code
	@cargo fmt --all

dev: ## Rebuild and reload on every change (debug, cargo leptos watch)
	@exec scripts/dev.sh

clean-cache: ## Delete everything that was built or downloaded for this project outside the clone
	@exec scripts/clean-cache.sh
