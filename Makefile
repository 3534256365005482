# make run    build everything, start the hub and a simulated home; Ctrl-C stops both
# make test   every test: Go with the race detector, the dashboard's, real programs and a real browser
# make check  what CI runs: formatting, linters, generated files, cross builds, then make test
# make help   the rest

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
GO_BUILD := go build -trimpath -ldflags "-X github.com/telltale-iot/telltale/internal/cli.version=$(VERSION)"
# With fdatasync SQLite spares the journal of the file system: a third less is written at each commit.
export CGO_CFLAGS := -O2 -g -DHAVE_FDATASYNC=1
PI := CGO_ENABLED=0 GOOS=linux

NODE_STAMP := dashboard/node_modules/.package-lock.json
PAGE := dashboard/dist/index.html
PAGE_SOURCES := $(shell find dashboard -path dashboard/node_modules -prune -o -path dashboard/dist -prune -o -type f -print)

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-12s %s\n", $$1, $$2 }'

.PHONY: build programs build-pi agent-armv6 agent-armv7 agent-arm64
build: tools-present $(PAGE) programs ## build the dashboard and all programs into bin/

programs:
	$(GO_BUILD) -o bin/ ./hub ./device-agent ./firmware-sim

build-pi: agent-armv6 agent-armv7 agent-arm64 ## build the agent for Raspberry Pis: armv6, armv7 and arm64

agent-armv6:
	$(PI) GOARCH=arm GOARM=6 $(GO_BUILD) -o bin/device-agent-armv6 ./device-agent

agent-armv7:
	$(PI) GOARCH=arm GOARM=7 $(GO_BUILD) -o bin/device-agent-armv7 ./device-agent

agent-arm64:
	$(PI) GOARCH=arm64 $(GO_BUILD) -o bin/device-agent-arm64 ./device-agent

$(NODE_STAMP): dashboard/package-lock.json
	cd dashboard && npm ci
	@touch $@

$(PAGE): $(NODE_STAMP) $(PAGE_SOURCES)
	cd dashboard && npm run build
	@touch dashboard/dist/.gitkeep $@

.PHONY: run dev
run: build ## start the hub and a simulated home
	@scripts/run-home

dev: build ## the same with live reload of the dashboard
	@scripts/run-home --dev

.PHONY: test test-go test-page e2e
test: test-tools build test-go test-page e2e ## run every test

test-go:
	go test -race -shuffle=on $$(go list ./... | grep -v /e2e)

test-page: $(NODE_STAMP)
	cd dashboard && npm test

e2e: test-tools build ## real programs killed and cut off, and a real browser
	go test -race -shuffle=on -count=1 -p 1 -timeout 8m ./e2e/...

.PHONY: bench
bench: ## measure what docs/performance.md quotes, about a quarter of an hour
	go run ./bench

.PHONY: check fmt lint generate generated tidy page-check
check: fmt lint generated tidy agent-armv6 agent-arm64 page-check test ## what CI runs

fmt:
	@bad=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$bad" ]; then echo "not gofmt'ed:" $$bad; exit 1; fi

lint: bin/lint ## run the linters (tools/lint)
	go vet -vettool=$(CURDIR)/bin/lint ./...
	go test ./internal/archtest

bin/lint: tools/go.mod tools/go.sum $(wildcard tools/lint/*.go)
	go build -C tools -o $(CURDIR)/bin/lint ./lint
	go test -C tools ./...

generate: ## write the TypeScript guards and the JSON Schema anew
	go run ./schema/gen

generated:
	go run ./schema/gen -check

tidy:
	go mod tidy -diff
	go -C tools mod tidy -diff

page-check: $(PAGE)
	cd dashboard && npm run check && npm run lint && npm run size

.PHONY: images
images: ## build the container images without a Docker engine and try them (root, Debian)
	@scripts/build-images

.PHONY: tools-present test-tools clean
tools-present:
	@scripts/need go gcc make node npm

test-tools:
	@scripts/need go gcc make node npm chromium fuse

clean: ## remove what was built; data/ stays
	rm -rf bin coverage dashboard/node_modules
	find dashboard/dist -mindepth 1 ! -name .gitkeep -delete
