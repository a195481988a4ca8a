# What people run. Each target does all of its own set-up; only a Rust toolchain is needed, and Python 3 for `test` and `bench`.
FUNCTIONS := rotate retire
CARGO := cargo --locked

.PHONY: demo test check fmt lint docs unit suites bites bench deny

demo: ## a day of three agents and their keys, on embedded parts
	@$(CARGO) run --quiet -p keyward-tests --bin demo

test: suites bites ## everything, emulators and deliberate faults included

check: fmt lint docs unit ## what needs nothing but the Rust toolchain

fmt:
	$(CARGO) fmt --all --check

lint:
	$(CARGO) clippy --workspace --all-targets --all-features -- -D warnings

docs:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --document-private-items

unit: ## all tests that need no emulator
	$(CARGO) test --workspace

suites: ## all tests
	$(CARGO) test --workspace --features keyward-tests/emulators

bites: ## each deliberate fault in the sources must be caught by its test
	$(CARGO) run --quiet -p keyward-tests --bin bites

bench: ## start-up, memory and sizes of the release binaries; written to target/bench.json
	$(CARGO) run --quiet -p keyward-tests --bin bench -- $(FUNCTIONS)

deny: ## licences, bans and sources of what is depended on
	cargo deny --config .deny.toml check bans licenses sources
