# Naru. `make demo` and `make test` do everything on a fresh machine.

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
BIN     := bin/naru
SDK     := .tools/sdk
SOURCES := $(shell find cmd internal -type f -not -name '*_test.go' -not -path 'cmd/naru/helper/naru-*' 2>/dev/null) go.mod go.sum

export CGO_ENABLED ?= 0

.PHONY: build setup demo test check run bench soak fuzz web clean

build: $(BIN)

# The first process of every environment is a small program of its own, which
# the binary embeds; so is the function that bench lambda measures.
HELPER    := cmd/naru/helper/naru-helper
BOOTSTRAP := cmd/naru/helper/naru-bootstrap

$(HELPER): $(shell find cmd/naru-helper internal/sandbox -name '*.go' -not -name '*_test.go') go.mod
	$(GO) build -trimpath -ldflags '-s -w' -o $@ ./cmd/naru-helper

$(BOOTSTRAP): $(wildcard cmd/naru-bootstrap/*.go) go.mod
	$(GO) build -trimpath -ldflags '-s -w' -o $@ ./cmd/naru-bootstrap

$(BIN): $(SOURCES) $(HELPER) $(BOOTSTRAP)
	$(GO) build -trimpath -ldflags '-X main.version=$(VERSION)' -o $@ ./cmd/naru

# What a fresh machine lacks: Debian packages (as root), npm, Python and Maven packages.
setup: build
	@scripts/setup

# The story, told in the terminal with real functions. KEEP=1 leaves Naru running.
demo: build
	@$(BIN) runtime install nodejs --sdk-dir $(SDK)
	@$(GO) run ./demo -naru $(BIN) -sdk $(SDK) $(if $(KEEP),-keep)

test: build
	@scripts/test

# The fast part of the tests: formatting, vet, staticcheck, Go tests without race.
check: build
	@scripts/check

run: build
	$(BIN) serve

# Benchmarks of the parts, and of SQS over HTTP beside a bare HTTP server. Compare
# figures of one run with each other only; docs/PERFORMANCE.md has more to run.
bench: build
	$(GO) test -run '^$$' -bench . -benchmem ./internal/...
	$(BIN) bench sqs --baseline --rounds 3 --duration 3s --scenario send,send-signed,send-batch,receive-delete

# Crashes, models and damage with random choices, for MINUTES.
MINUTES ?= 20
soak:
	@scripts/soak $(MINUTES)

# Every fuzz target for FUZZTIME each.
FUZZTIME ?= 30s
fuzz:
	@scripts/fuzz $(FUZZTIME)

# The web console is not built yet: a placeholder page is embedded.
web:
	@echo "There is no web console to build yet."

clean:
	rm -rf bin $(HELPER) $(BOOTSTRAP) .tools .venv .venv-query test/js/node_modules test/java/target
