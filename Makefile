# What people and CI run. Every target makes what it needs; a second run finds it done.
#   make demo         provider, relying party and mailbox on this machine
#   make demo-mobile  the same, and an app in the shape of a mobile app on http://127.0.0.1:8003
#   make test         all tests on SQLite, and what the stores decide on PostgreSQL with Redis
#   make test-all     all tests with all inputs on both, every page in every look
#   make test-apache  Debian's mod_auth_openidc signs a person in and out
#   make check        style and types, as CI checks them
#   make fuzz         forge tokens for ten minutes (FUZZ_SECONDS=600) and see none believed
#   make drill-worker kill workers while they send: nothing lost, nothing sent twice with other digits
#   make drill-proxy  nginx as deploy/ ships it, in front of two nodes: names, addresses, TLS, nodes replaced under load
#   make alerts       promtool on the alert rules, their unit tests among it
#   make drills       break each server, network, clock and disk in turn, and see what people get
#   make bench        Sésame and its peers, measured side by side (installs them in bench/.peers)
#   make bench-quick  what the usual requests cost, without peers
#   make scale        13.5 million accounts: imported, measured beside ten thousand (hours; SCALE_PEOPLE=… is less)
#   make soak         half an hour of visits of every kind: nothing lost, nothing twice, memory flat
#   make bench-guard  queries, round trips and calls of each operation: none may gain one
#   make reference    write docs/reference from the code

PYTHON ?= python3
BIN := .venv/bin
PACKAGES := .venv/.installed
NODE := tests/e2e/node
NODE_PACKAGES := $(NODE)/node_modules/.installed
APP := examples/mobile
APP_PACKAGES := $(APP)/node_modules/.installed
FUZZ_SECONDS ?= 600
# For example: make test PYTEST_ARGS=-x
PYTEST_ARGS ?=
# Browsers show the same pages over any store; these walks touch every kind of entry.
WALKS_ON_SERVERS := tests/e2e/test_sign_in.py tests/e2e/test_passkeys.py tests/e2e/test_openid_client.py
PYTEST := $(BIN)/pytest -n auto $(PYTEST_ARGS)

.DEFAULT_GOAL := help
.PHONY: help demo demo-mobile test test-all test-apache check fuzz drill-worker drill-proxy alerts drills bench bench-quick bench-guard scale soak reference test-programs clean

help:
	@sed -n 's/^#   //p' Makefile

demo: $(PACKAGES)
	@$(BIN)/idp demo

# The app ends with the demonstration.
demo-mobile: $(PACKAGES) $(APP_PACKAGES)
	@node $(APP)/app.mjs & app=$$!; trap 'kill $$app' EXIT INT TERM; $(BIN)/idp demo

# Protocol requests come in by the lane in front of Flask in the first run, by Flask alone in the second.
# The servers are thrown away with their data at the end, also after a failure. Tests that drive a browser run by
# themselves: Playwright keeps an event loop running in its thread, where the other tests start their own.
test: $(PACKAGES) $(NODE_PACKAGES) $(APP_PACKAGES) | test-programs
	$(BIN)/python tests/servers.py $(PYTEST) -m "not e2e" --backend=embedded
	$(BIN)/python tests/servers.py $(PYTEST) -m "not e2e" --backend=servers --door=flask
	@$(MAKE) --no-print-directory bench-guard
	$(PYTEST) -m e2e --ignore=tests/e2e
	$(PYTEST) tests/e2e --ignore=tests/e2e/apache --backend=embedded
	$(BIN)/python tests/servers.py $(PYTEST) $(WALKS_ON_SERVERS) --backend=servers

test-all: test
	$(BIN)/python tests/servers.py $(PYTEST) -m "not e2e" --backend=servers --all-inputs
	$(PYTEST) -m e2e --ignore=tests/e2e --all-inputs
	$(BIN)/python tests/servers.py $(PYTEST) tests/e2e --ignore=tests/e2e/apache --backend=servers

# The module brings Apache's program without its service: nothing listens on this machine because of it.
test-apache: $(PACKAGES)
	@.ci/install-programs chromium libapache2-mod-auth-openidc
	$(BIN)/pytest tests/e2e/apache $(PYTEST_ARGS)

check: $(PACKAGES)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The same places are tried for a moment within `make test`.
fuzz: $(PACKAGES)
	FUZZ_SECONDS=$(FUZZ_SECONDS) $(BIN)/pytest tests/fuzz --timeout=0 $(PYTEST_ARGS)

# Kills workers at random moments while they send; DRILL_SENDS says how many codes.
drill-worker: $(PACKAGES)
	$(BIN)/python tests/servers.py $(BIN)/pytest tests/messages/test_drill.py -s --backend=servers $(PYTEST_ARGS)

drill-proxy: $(PACKAGES)
	@.ci/install-programs nginx openssl
	DRILL_PROXY=1 $(BIN)/pytest tests/deploy/test_proxy.py -s $(PYTEST_ARGS)

# `make test` does the same where promtool is, and reads rules and queries itself everywhere.
alerts: $(PACKAGES)
	@.ci/install-programs prometheus
	$(BIN)/pytest tests/deploy/test_figures.py $(PYTEST_ARGS)

# One at a time, each under a minute. DRILLS_REPORT=1 writes docs/reliability.md with what was measured.
drills: $(PACKAGES) | test-programs
	@.ci/install-programs faketime
	DRILLS=1 $(BIN)/pytest tests/drills -m drill -s $(PYTEST_ARGS)

bench: $(PACKAGES) | test-programs
	$(BIN)/python -m bench.compare

bench-quick: $(PACKAGES) | test-programs
	$(BIN)/python -m bench.quick

# Within `make test` too. BENCH_GUARD_WRITE=1 writes the table anew, for a change that is worth its cost.
bench-guard: $(PACKAGES) | test-programs
	BENCH_GUARD=1 $(BIN)/python tests/servers.py $(BIN)/pytest tests/oidc/test_cost.py --backend=servers

# As much disk as 3 KB a person, under SCALE_FOLDER; SCALE_REPORT=1 writes docs/scale.md.
scale: $(PACKAGES) | test-programs
	nice $(BIN)/python -m bench.scale

# SOAK_MINUTES and SOAK_RATE (visits a second) change the run; SOAK_REPORT=1 writes docs/soak.md. Ends with 1 when anything
# is not as it has to be.
soak: $(PACKAGES) | test-programs
	nice -n 5 $(BIN)/python -m bench.soak

# The reference pages are written from the code; a test fails when they are stale.
reference: $(PACKAGES)
	$(BIN)/python -m tools.reference

clean:
	rm -rf .venv var bench/.peers test-artefacts $(NODE)/node_modules $(APP)/node_modules .mypy_cache .pytest_cache .ruff_cache

test-programs:
	@.ci/install-programs chromium redis-server postgresql softhsm2 nodejs npm slapd

$(PACKAGES): pyproject.toml $(wildcard constraints.txt)
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || PYTHON=$(PYTHON) .ci/install-programs python3-venv
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev,demo]' $(addprefix -c ,$(wildcard constraints.txt))
	@touch $@

$(NODE_PACKAGES): $(NODE)/package.json $(NODE)/package-lock.json | test-programs
	npm ci --prefix $(NODE) --no-fund --no-audit --loglevel=error
	@touch $@

$(APP_PACKAGES): $(APP)/package.json $(APP)/package-lock.json
	@.ci/install-programs nodejs npm
	npm ci --prefix $(APP) --no-fund --no-audit --loglevel=error
	@touch $@
