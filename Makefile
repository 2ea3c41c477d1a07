# Works on a bare Debian with Go, Node, git and make; scripts/need.sh brings the rest.

FUZZTIME ?= 30s
SOAKTIME ?= 10m

# What the pipeline consists of, without the tests of the whole and what npm brought.
PACKAGES = $$(go list ./... | grep -v -e /test/ -e /node_modules/)
GO_FILES = $$(git ls-files --cached --others --exclude-standard '*.go')

browser := test/e2e/browser
browser_modules := $(if $(wildcard $(browser)/package.json),$(browser)/node_modules/.package-lock.json)

.PHONY: help run build test lint bench fuzz soak web

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## build, and start the server with a test programme
	@scripts/need.sh ffmpeg
	@$(MAKE) --no-print-directory build
	@bin/headrace demo

build: ## build bin/headrace: one static binary
	CGO_ENABLED=0 go build -trimpath -o bin/headrace ./cmd/headrace

test: ## every check and test (installs ffmpeg, Chromium, GStreamer)
	@scripts/need.sh ffmpeg chromium gstreamer race npm
	@$(MAKE) --no-print-directory lint build $(browser_modules)
	go test -race -shuffle=on $(PACKAGES)
	@if [ -n "$$(find test/e2e -name '*_test.go' 2>/dev/null)" ]; then \
		set -x; go test -count=1 -timeout 25m ./test/e2e/...; \
	fi

lint: ## gofmt, go vet, staticcheck
	@bad=$$(gofmt -l $(GO_FILES)) || exit 1; \
		if [ -n "$$bad" ]; then echo "gofmt -w these:"; echo "$$bad"; exit 1; fi
	go vet ./...
	go tool -modfile=tools/go.mod staticcheck ./...

bench: ## measure the server, and print the conditions
	@scripts/need.sh ffmpeg
	go run ./bench

fuzz: ## every fuzz target for FUZZTIME each (30s)
	@scripts/fuzz.sh $(FUZZTIME) $(PACKAGES)

soak: ## one stream and its players for SOAKTIME (10m), and the page against outages
	@scripts/need.sh ffmpeg chromium npm
	@$(MAKE) --no-print-directory $(browser_modules)
	go test -tags soak -count=1 -timeout 60m ./test/e2e -run TestSoak -v -soak $(SOAKTIME)
	cd $(browser) && npm test

web: ## build the player page into web/dist, which is checked in
	cd web && npm ci && npm run check && npm run build

$(browser)/node_modules/.package-lock.json: $(browser)/package-lock.json
	cd $(browser) && npm ci
	@touch $@
