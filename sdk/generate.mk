# Everything that is generated from the types below sdk/apis: deepcopy methods
# beside them, and the CRDs in config/crds. Included by the top Makefile.

.PHONY: generate-sdk
generate-sdk: ## Generate deepcopy and CRDs from sdk/apis
	CGO_ENABLED=0 go tool controller-gen object crd paths=./sdk/apis/... output:crd:dir=./config/crds
