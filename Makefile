# Every target is one line; the work is in scripts/ and in the loadlab command.
.DEFAULT_GOAL := help
EXP ?= quick
TARGET ?= local
OVERLAY ?= kind
LOADLAB := .venv/bin/loadlab

.PHONY: help venv quick test check run images bench manifests lock

help: ## list the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / { printf "%-9s %s\n", $$1, $$2 }' Makefile

venv: ## make .venv from requirements.lock (others call it)
	@scripts/venv.sh

quick: venv ## a real threshold experiment on this machine, about five minutes, report at the end
	@$(LOADLAB) run quick

test: check ## the whole test suite, after lint, types and layers
	@.venv/bin/python -m pytest -n 2 --dist loadgroup

check: venv ## lint, types and layers alone
	@scripts/check.sh

run: venv ## one experiment: make run EXP=threshold-50
	@$(LOADLAB) run $(EXP) --target $(TARGET)

images: venv ## the container images, built where their content changed (REGISTRY=host/path pushes them)
	@$(LOADLAB) lab images $(if $(REGISTRY),--push $(REGISTRY))

bench: venv ## the measures with their bars, as ratios in one run (ARGS="--quick --only recorder")
	@.venv/bin/python tests/bench $(ARGS)

manifests: ## the Kubernetes manifests as they are applied, printed (OVERLAY=kind or cluster)
	@PATH="$$PATH:$(CURDIR)/.tools/bin" kubectl kustomize k8s/overlays/$(OVERLAY)

lock: venv ## write requirements.lock anew from pyproject.toml
	@scripts/lock.sh
