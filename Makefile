# The house's doors. Logic lives in deploy/local (the `stoa` command and bootstrap.sh); a target is one line.

BIN := .venv/bin
PINS := requirements.txt requirements-dev.txt $(wildcard services/*/requirements.txt) gateway/portal/requirements.txt \
	deploy/local/mailbox-requirements.txt

ifdef TLS
export STOA_TLS := on
endif
ifdef DOCKER
export STOA_DOCKER := $(if $(filter 0 off,$(DOCKER)),off,on)
endif

# What is needed of the machine: for running the stack less than for developing it, for some tests more.
up import: WITH := stack
e2e screenshots: WITH := browser
test: WITH := browser promtool
check-alerts: WITH := promtool

# What pytest makes of the tests' asserts is kept for the next process: the tests are found in half the time.
test check e2e fuzz: export PYTHONDONTWRITEBYTECODE =
test-%: export PYTHONDONTWRITEBYTECODE =

.DEFAULT_GOAL := help
.PHONY: help bootstrap up down status logs urls test e2e fuzz lint check check-alerts check-deploy audit replay import migrate \
	bench bench-reads bench-upload bench-orders bench-lists bench-events bench-sockets bench-start bench-alike \
	chaos chaos-cluster bench-costs reconcile doctor backup restore screenshots contracts lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9<>-]+:.*## / { printf "  \033[1m%-16s\033[0m %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: bootstrap ## Install what is missing, start everything natively, print URLs and demo accounts (TLS=1: by https; DOCKER=1: in containers)
	@$(BIN)/stoa up

down: ## Stop everything
	@[ ! -x $(BIN)/stoa ] || $(BIN)/stoa down

status: ## Show each process, whether it is ready, and its memory
	@$(BIN)/stoa status

logs: ## Print logs: make logs s=orders (f=1 follows)
	@$(BIN)/stoa logs $(s) $(if $(f),-f)

urls: ## Print URLs, demo accounts and three first calls again
	@$(BIN)/stoa urls

test: bootstrap ## Run every test on real servers (a="-k cart" narrows)
	@$(BIN)/pytest -n 2 --dist loadgroup --no-loadscope-reorder $(a)

test-<service>: ## Run one service's tests, for example make test-orders
test-%: bootstrap
	@$(BIN)/pytest $(or $(wildcard services/$*),$(wildcard libs/$*),$(wildcard gateway/$*),$(error no service is called $*)) $(a)

e2e: bootstrap ## Run the tests that see the platform as a client does, through the gateway
	@$(BIN)/pytest -m e2e $(a)

fuzz: bootstrap ## Send every service what its document allows, and what not: make fuzz a="--max-examples=2000" seed=7
	@$(BIN)/pytest gateway/surface/tests/test_fuzz.py --max-examples=200 --hypothesis-seed=$(or $(seed),1) --timeout=0 $(a)

lint: bootstrap ## Lint, format, types, who imports whom
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

check: lint ## The same, and the tests that need no server
	@$(BIN)/pytest -n 2 --dist loadgroup --no-loadscope-reorder -m unit $(a)

check-alerts: bootstrap ## Check the alerts for Prometheus, and that each fires when it should and only then
	@cd deploy/observability && promtool check config prometheus.yaml prometheus.containers.yaml && promtool test rules alerts_test.yaml

check-deploy: bootstrap ## Build the manifests for Kubernetes and hold them against its schemas (needs kubectl)
	@deploy/k8s/check.sh

audit: bootstrap ## Look the pins up in an advisory service, where one can be reached
	@$(BIN)/uv tool run pip-audit --disable-pip --require-hashes $(PINS:%=-r %) $(a)

replay: bootstrap ## Play a file of order lines through the gateway: make replay FILE=path.csv
	@$(BIN)/python bench/replay.py $(FILE) $(a)

chaos: bootstrap ## Break a stack of its own in every known way under load, and check every number: make chaos MINUTES=60 SEED=7
	@$(BIN)/python bench/chaos.py $(MINUTES:%=--minutes %) $(SEED:%=--seed %) $(FILE:%=--file %) $(a)

chaos-cluster: bootstrap ## Kill a node of a three-node database and of a three-node broker under load (needs haproxy, mariadb-backup, socat)
	@$(BIN)/python bench/cluster.py $(SEED:%=--seed %) $(a)

bench-costs: bootstrap ## Measure processor time and bytes an order, with one, two and three of each service (needs wrk)
	@$(BIN)/python bench/costs.py $(a)

bench: bootstrap ## Measure all of docs/performance.md, and write it there (needs wrk, gcc; a="--only P2,P5", a=--quick)
	@$(BIN)/python bench/figures.py $(a)

bench-reads: bootstrap ## Measure lists and product pages against a bare hello, and at a million products (needs wrk)
	@$(BIN)/python bench/reads.py $(a)

bench-upload: bootstrap ## Measure the bulk upload against LOAD DATA
	@$(BIN)/python bench/upload.py $(a)

bench-orders: bootstrap ## Measure the placing of orders against a C client at the database (needs wrk)
	@$(BIN)/python bench/ordering.py $(a)

bench-lists: bootstrap ## Measure lists of orders in a table of up to ten million lines (needs wrk)
	@$(BIN)/python bench/lists.py $(a)

bench-events: bootstrap ## Measure the way of events against a consumer that only acks
	@$(BIN)/python bench/events.py $(a)

bench-sockets: bootstrap ## Measure live counts to a thousand clients against a C loop of send (needs gcc)
	@$(BIN)/python bench/sockets.py $(a)

bench-start: bootstrap ## Measure a cold `make up`, and the memory of a stack at rest
	@$(BIN)/python bench/starting.py $(a)

bench-alike: bootstrap ## Measure that auth answers for accounts and strangers in the same time
	@$(BIN)/python bench/alike.py

import: bootstrap ## Take a file of products in over the gateway: make import FILE=path.csv (a="--dry-run" only checks)
	@$(BIN)/stoa import $(FILE) $(a)

migrate: ## Bring every schema of the running stack to its newest revision
	@$(BIN)/stoa migrate

reconcile: ## Check that every number of pieces and products adds up, while the stack runs
	@$(BIN)/stoa reconcile

doctor: ## Hold all services against each other, while the stack runs
	@$(BIN)/stoa doctor $(a)

backup: ## Copy all schemas at one moment, while the stack runs: make backup TO=folder
	@$(BIN)/stoa backup $(TO)

restore: ## Bring a backup back and start from there; what is newer is lost: make restore FROM=folder
	@$(BIN)/stoa restore $(FROM)

contracts: bootstrap ## Write the events' schemas and the AsyncAPI document again; refused where that would break a hearer
	@$(BIN)/stoa contracts

screenshots: bootstrap ## Take the pictures of the pages that README shows, of a stack of its own
	@STOA_PICTURES=docs/pictures $(BIN)/pytest gateway/tests/test_pictures.py $(a)

lock: bootstrap ## Resolve all pins again
	@$(BIN)/stoa lock

clean: ## Stop everything and delete its data, logs and caches; .venv stays
	@[ ! -x $(BIN)/stoa ] || $(BIN)/stoa clean
	@rm -rf .run .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

bootstrap:
	@deploy/local/bootstrap.sh $(WITH)
