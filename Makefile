# Every target is one line; the work is in scripts/ and in the loadlab command.
.DEFAULT_GOAL := help
EXP ?= quick
TARGET ?= local
OVERLAY ?= kind
LOADLAB := .venv/bin/loadlab
# Where the shell says otherwise, every process that is started would compile all that it imports anew.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help venv quick test check run images tools lab-up lab-run lab-status lab-logs lab-down e2e faults bench dashboards dashboards-up manifests lock

help: ## list the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / { printf "%-13s %s\n", $$1, $$2 }' Makefile

venv: ## make .venv from requirements.lock (others call it)
	@scripts/venv.sh

quick: venv ## a real threshold experiment on this machine, about five minutes, report at the end
	@$(LOADLAB) run quick

test: venv tools ## the whole test suite, and lint, types and layers beside it
	@scripts/test.sh

check: venv ## lint, types and layers alone
	@scripts/check.sh

run: venv ## one experiment: make run EXP=threshold-50
	@$(LOADLAB) run $(EXP) --target $(TARGET)

images: venv ## the container images, built where their content changed (REGISTRY=host/path pushes them)
	@$(LOADLAB) lab images $(if $(REGISTRY),--push $(REGISTRY))

tools: venv ## kubectl, kind, promtool and prometheus into .tools/bin, where PATH has none that is good enough
	@$(LOADLAB) lab tools >/dev/null

lab-up: venv ## the lab on a kind cluster, raised or mended (WORKERS=2; REGISTRY=host/path for another cluster)
	@$(LOADLAB) lab up $(if $(WORKERS),--workers $(WORKERS)) $(if $(REGISTRY),--push $(REGISTRY))

lab-run: venv ## one experiment on the lab's cluster: make lab-run EXP=quick (WORKERS=2)
	@$(if $(WORKERS),LAB_WORKERS=$(WORKERS)) $(LOADLAB) run $(EXP) --target kubernetes

lab-status: venv ## what runs in the lab, versions, drift
	@$(LOADLAB) lab status $(ARGS)

lab-logs: venv ## one file with logs, events and states for a bug report
	@$(LOADLAB) lab logs $(ARGS)

lab-down: venv ## everything that lab-up made is removed (ARGS=--images: its images too)
	@$(LOADLAB) lab down $(ARGS)

e2e: venv tools ## the tests on a real kind cluster; needs Docker, takes about twenty minutes
	@.venv/bin/python -m pytest tests/e2e -m e2e -p no:randomly $(ARGS)

faults: venv ## 40 short runs that are killed, stopped and starved at random moments (FAULT_CASES=300), about ten minutes
	@.venv/bin/python -m pytest tests/faults -m faults -n 3 -p no:randomly $(ARGS)

bench: venv ## the measures with their bars, as ratios in one run (ARGS="--quick --only recorder")
	@.venv/bin/python tests/bench $(ARGS)

dashboards: venv ## write the boards (grafana/dashboards) and the price rules anew from their sources
	@scripts/dashboards.sh

dashboards-up: venv ## Prometheus and Grafana beside local runs, on loopback, until Ctrl-C (RUN=runs/latest: of a past one)
	@$(LOADLAB) dashboards $(if $(RUN),--run $(RUN))

manifests: venv ## the Kubernetes manifests as they are applied, printed (OVERLAY=kind or cluster)
	@"$$($(LOADLAB) lab tools kubectl | sed 's/^kubectl: //')" kustomize k8s/overlays/$(OVERLAY)

lock: venv ## write requirements.lock anew from pyproject.toml
	@scripts/lock.sh
