# What can be done here: make help

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.NOTPARALLEL:

# Without cgo no C compiler is needed, and the module in test/childk8s finds most of what it compiles in
# the same build cache. The vet that go test runs by itself would analyse all of Kubernetes first; lint
# does that once.
export CGO_ENABLED := 0
export GOFLAGS := $(strip $(shell go env GOFLAGS) -buildvcs=false -vet=off)

# The hub answers /version as the Kubernetes it is made of. Only the linker sees these flags, so that
# go run, go test and builds by hand share compiled packages with make.
KUBERNETES := $(shell awk '$$1 == "k8s.io/kubernetes" { print $$2 }' go.mod)
VERSION ?= $(shell git describe --always --tags --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w \
	-X k8s.io/component-base/version.gitVersion=$(KUBERNETES)+atrium.$(VERSION) \
	-X k8s.io/component-base/version.gitMajor=$(subst v,,$(word 1,$(subst ., ,$(KUBERNETES)))) \
	-X k8s.io/component-base/version.gitMinor=$(word 2,$(subst ., ,$(KUBERNETES))) \
	-X k8s.io/component-base/version.gitCommit=$(shell git rev-parse HEAD 2>/dev/null) \
	-X k8s.io/client-go/pkg/version.gitVersion=$(KUBERNETES)+atrium.$(VERSION)

# Packages that can be raced without compiling Kubernetes a second time.
PURE := ./sdk/... ./internal/... ./pkg/identity/... ./pkg/keyspace/... ./pkg/loop/... ./pkg/schemas/... ./pkg/catalog/... \
	./pkg/directory/... ./pkg/egress/... ./pkg/failpoint/... ./pkg/homes/naming/... ./pkg/mounts/doors/... ./pkg/nesting/... ./pkg/roster/... ./pkg/claims/... ./pkg/inflight/... ./pkg/inventory/... ./pkg/scheduling/... ./pkg/syncer/...

GENERATED := config/crds sdk/apis

# Passes on what go build -v says, but for the names of packages, of which it shows the number.
counted = 2>&1 | awk '/^[^ ]+$$/ { if (++n % 100 == 0) print "  " n " packages compiled"; fflush(); next } { print; fflush() }'

##@ Daily

.PHONY: help
help: ## print this
	@awk 'BEGIN { FS = ":.*## " } /^##@ / { printf "\n%s\n", substr($$0, 5) } /^[a-z0-9-]+:.*## / { printf "  %-22s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build the programs into bin/, with what completes their arguments
	@echo "Building bin/atrium, atrium-syncer and the plugins of kubectl $(VERSION), on Kubernetes $(KUBERNETES)."
	@echo "The first build compiles Kubernetes and takes about 10 minutes on 2 cores; later ones take seconds."
	@mkdir -p bin
	@go build -v -ldflags "$(LDFLAGS)" -o bin/ ./cmd/... $(counted)
	@ln -sf kubectl-create-workspace bin/kubectl-create-ws
	@install -m 0755 cmd/completion/kubectl_complete-* bin/

.PHONY: test
test: ## run all tests: packages, end to end, child clusters
	@$(MAKE) --keep-going test-packages test-e2e test-childk8s

.PHONY: demo
demo: programs ## watch the whole idea work; KEEP=1 leaves it running
	go run ./test/demo

.PHONY: bench
bench: programs ## measure, and print the table; ARGS="-n 10000" changes what
	go run ./test/bench $(ARGS)

.PHONY: clean
clean: ## remove what was built, and nothing else: data in .atrium stays
	rm -rf bin .demo

##@ Before a change goes in

.PHONY: lint
lint: ## gofmt, go vet, staticcheck; the first run takes as long as the first build
	@unformatted=$$(gofmt -l cmd config internal pkg sdk test); \
	if [ -n "$$unformatted" ]; then echo "not formatted, run gofmt -w on:"; echo "$$unformatted"; exit 1; fi
	go vet ./...
	go tool staticcheck ./...
	cd test/childk8s && go vet ./...
	cd test/kcpclients && go vet ./...

.PHONY: generate
generate: generate-sdk ## write anew what is made from sdk/apis

.PHONY: verify
verify: ## fail if generated files or go.mod are not what they should be
	@before=$$(mktemp -d); trap 'rm -rf "$$before"' EXIT; \
	for tree in $(GENERATED); do mkdir -p "$$before/$$tree"; cp -R $$tree/. "$$before/$$tree"; done; \
	$(MAKE) generate; \
	for tree in $(GENERATED); do diff -ru "$$before/$$tree" $$tree; done
	go mod tidy -diff
	cd test/childk8s && go mod tidy -diff && go mod tidy -diff -modfile=go.v136.mod
	cd test/kcpclients && go mod tidy -diff

.PHONY: race
race: ## run the tests of the pure packages under the race detector; needs a C compiler
	CGO_ENABLED=1 go test -race $(PURE)

.PHONY: race-hub
race-hub: programs ## create and delete 1000 workspaces at once in a hub under the race detector; needs a C compiler and, the first time, half an hour
	@mkdir -p bin/race
	CGO_ENABLED=1 go build -race -o bin/race/ ./cmd/atrium
	@for program in bin/*; do [ -d "$$program" ] || [ -e "bin/race/$$(basename "$$program")" ] || ln -s "../$$(basename "$$program")" bin/race/; done
	GORACE=halt_on_error=0 ATRIUM_BIN=$(CURDIR)/bin/race go test -count 1 -timeout 60m ./test/e2e -run TestStorm -storm 1000

##@ Parts of the above

.PHONY: test-packages
test-packages: build ## test the packages, pure ones and an in-process hub
	go test -timeout 20m ./cmd/... ./config/... ./internal/... ./pkg/... ./sdk/...

.PHONY: test-e2e
test-e2e: programs build-childk8s-v136 ## test the programs with real child clusters
	go test -timeout 20m ./test/...

.PHONY: programs
programs: build build-childk8s ## build all that the demo runs, and bin/kubectl
	@ln -sf childk8s bin/kubectl

-include test/childk8s/childk8s.mk
-include sdk/generate.mk
