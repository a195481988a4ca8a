# What people run. Needed are a Rust toolchain, a C compiler and git; Python 3 for `test`, `bench` and `validate`, 3.11 for `build`,
# `deploy`, `repro` and `sbom`; cargo-deny for `deny`.
FUNCTIONS := rotate retire monitor kill-switch control audit offboard
CARGO := cargo --locked
# x86_64 or arm64
ARCH := x86_64

.PHONY: local demo replay build deploy repro sbom test check fmt lint docs unit suites permissions bites conformance fuzz soak bench browser deny validate

demo: ## a day of three agents at three providers, on embedded parts; BREAK=overlap or BREAK=intent puts a fault in
	@$(CARGO) run -p keyward-tests --bin demo -- $(if $(BREAK),--break $(BREAK))

replay: ## plays a case file: FILE=…, SEED=fleet.json for its slot, HOURS=n to let time pass afterwards
	@$(CARGO) run --quiet -p keyward-tests --bin replay -- $(if $(SEED),--seed "$(SEED)") $(if $(HOURS),--hours "$(HOURS)") $(if $(FILE),"$(FILE)")

local: ## emulated AWS, three providers and the functions on this machine, for trying the keyward command
	@$(CARGO) run --quiet -p keyward-tests --bin local

build: ## the functions for Lambda, in target/lambda; ARCH=arm64 where Rust has that target
	@python3 infra/release/build.py build --arch $(ARCH) $(FUNCTIONS)

deploy: build ## the stack that CONFIG=file describes, as those in infra/examples; asks for everything where that file is not there
	@python3 infra/release/deploy.py --arch $(ARCH) $(if $(CONFIG),--config "$(CONFIG)") $(FUNCTIONS)

repro: ## one function built in two folders comes out the same, byte by byte
	@python3 infra/release/build.py repro --arch $(ARCH) $(or $(FUNCTION),retire)

sbom: ## what each function is made of, as CycloneDX, in target/sbom
	@python3 infra/release/sbom.py --arch $(ARCH) $(FUNCTIONS)

test: suites permissions bites ## everything, emulators and deliberate faults included

check: fmt lint docs unit ## what needs nothing but the Rust toolchain

fmt:
	$(CARGO) fmt --all --check

lint:
	$(CARGO) clippy --workspace --all-targets --all-features -- -D warnings

docs:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --document-private-items

unit: ## all tests that need no emulator
	$(CARGO) test --workspace

suites: ## all tests; what functions ask emulated AWS for is kept for `permissions`
	@rm -rf target/emulators/calls
	$(CARGO) test --workspace --features keyward-tests/emulators

permissions: ## what each function asked AWS for in `suites`, beside what its role in infra/template.yaml allows
	@$(CARGO) run --quiet -p keyward-tests --bin permissions

bites: ## each deliberate fault in the sources must be caught by each of its tests
	$(CARGO) run --quiet -p keyward-tests --bin bites

conformance: ## drivers and simulators against the providers' published descriptions in SPECS=folder; WRITE=1 keeps the result, ONLY=provider checks one
	@$(CARGO) run --quiet -p keyward-tests --bin conformance -- $(if $(WRITE),--write) $(if $(ONLY),--only $(ONLY)) "$(SPECS)"

fuzz: ## mutated answers for every parser of every provider, SECONDS each; SEED=N repeats a run, ONLY=provider, INPUT=file [STATUS=n] one input
	@$(CARGO) run --quiet -p keyward-tests --features fuzzing --bin fuzz -- --seconds $(or $(SECONDS),30) $(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only $(ONLY)) $(if $(INPUT),--input "$(INPUT)") $(if $(STATUS),--status $(STATUS))

soak: ## SEEDS interleavings of rotations and kills; SEED=N replays one
	$(CARGO) run --quiet --profile soak -p keyward-tests --bin soak -- $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),100000))

browser: ## the pages of reports and of backtests in Chromium, which CHROMIUM=path names if it is not found (Node.js)
	@$(CARGO) run --quiet -p keyward-reports --example pages -- target/browser/pages
	@$(CARGO) run --quiet -p keyward-backtest --example page -- target/browser/pages
	@node tests/browser/run.mjs target/browser

bench: ## start-up, memory, sizes and speed of release binaries; TRACES=folder also plays recorded traffic; written to target/bench.json
	$(CARGO) run --quiet --release -p keyward-tests --bin bench -- $(FUNCTIONS) $(if $(TRACES),--traces "$(TRACES)")

validate: ## the deployment's template with sam validate, cfn-lint and checkov, which it sets up itself (Python 3)
	@python3 tests/template/validate.py target/checkers

deny: ## licences, bans and sources of what is depended on; CHECKS="advisories …" where there is a network
	cargo deny --config .deny.toml check $(or $(CHECKS),bans licenses sources)
