# Child clusters: Kubernetes in one file, from the Go module in test/childk8s.
# Included by the Makefile at the top of the repository; paths are relative to that.

CHILDK8S_DIR := test/childk8s
CHILDREN_ROOT ?= .atrium/children
CHILDREN_PORT ?= 6543

# What a plain build would call v0.0.0-master. Only the linker sees these flags, so the compiled packages
# are the hub's too.
childk8s-ldflags = -s -w \
	-X k8s.io/component-base/version.gitVersion=$(1) \
	-X k8s.io/client-go/pkg/version.gitVersion=$(1) \
	-X k8s.io/component-base/version.gitMajor=1 \
	-X k8s.io/component-base/version.gitMinor=$(2) \
	-X k8s.io/component-base/version.gitTreeState=clean

.PHONY: build-childk8s
build-childk8s: ## build bin/childk8s: etcd, the Kubernetes programs and kwok in one file, v1.37.0
	cd $(CHILDK8S_DIR) && CGO_ENABLED=0 go build -buildvcs=false -ldflags "$(call childk8s-ldflags,v1.37.0,37)" -o $(CURDIR)/bin/childk8s .

.PHONY: build-childk8s-v136
build-childk8s-v136: ## build bin/childk8s-v1.36, the same of Kubernetes v1.36.3, for tests of version skew
	cd $(CHILDK8S_DIR) && CGO_ENABLED=0 go build -buildvcs=false -modfile=go.v136.mod -ldflags "$(call childk8s-ldflags,v1.36.3,36)" -o $(CURDIR)/bin/childk8s-v1.36 .

.PHONY: children
children: build-childk8s ## run two child clusters, eu and us, on loopback until Ctrl-C
	@exec bin/childk8s clusters --root $(CHILDREN_ROOT) --base-port $(CHILDREN_PORT) eu us

.PHONY: test-childk8s
test-childk8s: ## test the child clusters themselves
	cd $(CHILDK8S_DIR) && CGO_ENABLED=0 go test ./...
