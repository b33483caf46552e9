# Trainyard. `make` lists the targets.

SHELL   := /bin/bash
GO      ?= go
VERSION := 0.1.0
# The build tells two binaries of one version apart: the time of the commit, so
# that a newer command line knows to replace an older server that it started.
BUILD   := $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
LDFLAGS := -s -w -X main.version=$(VERSION) -X main.build=$(BUILD)
FUZZTIME ?= 30s
# all, or landing for what every landing runs
FRAMEWORKS ?= all
export CGO_ENABLED ?= 0

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

.PHONY: build
build: ## build bin/trainyard, one static binary
	@$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/trainyard ./cmd/trainyard

.PHONY: run
run: build ## start the embedded service, train examples/digits on it and show the result
	@scripts/run-digits

.PHONY: test
test: build ## set up what the tests need, and run the whole suite
	@scripts/test

.PHONY: test-frameworks
test-frameworks: build ## frameworks of three generations train in jobs, on gs:// and on runtime versions; downloads gigabytes
	@TRAINYARD_FRAMEWORKS=$(FRAMEWORKS) $(GO) test -count=1 -timeout 60m -v -run TestFrameworks ./cmd/trainyard

.PHONY: check
check: ## format, vet, staticcheck, and compile for every platform
	@out=$$(gofmt -l cmd internal); if [ -n "$$out" ]; then echo "gofmt would change:"; echo "$$out"; exit 1; fi
	$(GO) mod verify
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	@for p in linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64; do \
		echo "$(GO) build for $$p"; \
		GOOS=$${p%/*} GOARCH=$${p#*/} $(GO) build -o /dev/null ./cmd/trainyard || exit 1; \
	done

.PHONY: bench
bench: build ## measure against peers in the same run; writes docs/benchmarks.md
	@scripts/bench
	@scripts/bench-storage
	@scripts/bench-environments
	@scripts/bench-jobs
	@scripts/bench-gang
	@scripts/bench-packaging

.PHONY: fuzz
fuzz: ## fuzz every parser for FUZZTIME each
	@scripts/fuzz $(FUZZTIME)

.PHONY: crash
crash: build ## the crash tests, many more kills than in the ordinary suite
	@TRAINYARD_CRASH_KILLS=1000 $(GO) test -count=1 -timeout 60m -run Crash ./cmd/... ./internal/...

.PHONY: clean
clean: ## remove what was built
	@rm -rf bin build .venv
