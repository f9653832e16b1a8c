# Everything a developer or a packager does with Lethe. `make help` lists it.
#
# Needed: Go. Nothing else, except for `race`, which needs a C compiler and
# says so when there is none.

SHELL := /bin/bash
.DEFAULT_GOAL := help

export CGO_ENABLED := 0

BIN     := build/lethe
DATA    ?= build/data
TOOL    := go tool -modfile=scripts/tools/go.mod
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unversioned)
FUZZTIME ?= 20s

.PHONY: help
help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z][a-z-]*:.*## / {printf "  %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: build ## build, start on a fresh data directory with made-up customers, and stay up
	$(BIN) demo

.PHONY: run
run: build ## serve from a data directory that stays (DATA=build/data)
	$(BIN) serve --data $(DATA)

.PHONY: build
build: ## build the program, and the auditor's lethe-verify, into build/
	@mkdir -p build
	go build -trimpath -ldflags '-X main.version=$(VERSION)' -o $(BIN) ./cmd/lethe
	go build -trimpath -ldflags '-X main.version=$(VERSION)' -o build/lethe-verify ./cmd/lethe-verify

.PHONY: build-kms
build-kms: ## build lethe-kms: lethe with root keys at Amazon, Google and Microsoft too
	@mkdir -p build
	go -C cmd/lethe-kms build -trimpath -ldflags '-X main.version=$(VERSION)' -o ../../build/lethe-kms .

.PHONY: test
test: ## run all tests, and other programs on what Lethe publishes; lists what was skipped (LETHE_TESTDATA, LETHE_REQUIRE); `go test ./...` tries fewer cases
	@set -o pipefail; LETHE_FULL=1 go test -json ./... | go run ./scripts/testreport
	@set -o pipefail; go -C scripts/oracles test -json ./... | go run ./scripts/testreport
	@set -o pipefail; go -C cmd/lethe-kms test -json ./... | go run ./scripts/testreport

.PHONY: race
race: ## run the short tests under the race detector (needs a C compiler)
	@if command -v "$${CC:-gcc}" >/dev/null 2>&1; then \
		CGO_ENABLED=1 CC="$${CC:-gcc}" go test -race -short $$(go list ./... | grep -v /internal/archtest); \
	else \
		echo '#### SKIPPED: race: there is no C compiler (set CC, or install gcc) ####'; \
	fi

.PHONY: lint
lint: ## check format, vet, staticcheck, import arrows and exhaustive switches
	@unformatted="$$($(TOOL) gofumpt -l .)" || exit 1; \
	if [ -n "$$unformatted" ]; then echo "not gofumpt-formatted (make format):"; echo "$$unformatted"; exit 1; fi
	go vet ./...
	go -C scripts/oracles vet ./...
	go -C cmd/lethe-kms vet ./...
	$(TOOL) staticcheck ./...
	go -C scripts/oracles tool -modfile=../tools/go.mod staticcheck ./...
	go -C cmd/lethe-kms tool -modfile=../../scripts/tools/go.mod staticcheck ./...
	go test ./internal/archtest

.PHONY: format
format: ## format all code
	$(TOOL) gofumpt -w .

.PHONY: docs
docs: ## write the documents that are generated from the code
	go test ./internal/config -run TestReference -count=1 -update
	go test ./internal/httpapi -run TestTheDescription -count=1 -update

.PHONY: bench
bench: build ## print each figure beside a raw group-commit log in the same run
	$(BIN) bench

.PHONY: fuzz
fuzz: ## run every fuzz target for a while (FUZZTIME=20s)
	@bash scripts/fuzz.sh $(FUZZTIME)

.PHONY: mutants
mutants: ## take each protection against a pitfall of erasure out of the code, and see its test fail; takes minutes (PITFALLS="3 17")
	@go run ./scripts/mutants $(PITFALLS)

.PHONY: clean
clean: ## remove what was built, and the data directory of `make run`
	rm -rf build
