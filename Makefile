# The two commands of a fresh machine are `make demo` and `make test`; each makes the
# environment that it needs. Wants Python 3.11 to 3.13 with pip, and make; nothing else.

SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.NOTPARALLEL:
.PHONY: help demo test test-compose test-wheel sbom advisories check lint docs verifier screenshots format environment oracles peers witness browser examples example broker \
	postgresql libfaketime pango promtool anvil compiler cc contract rivals bench bench-table bench-more soak faults gateway hammer steps vectors mutations breakages reliability fuzz interleave outage day \
	lock clean

ARGS ?=
PYTEST_ARGS ?=
# Tests run in so many processes; one at a time: make check WORKERS=0
WORKERS ?= 2
VENV ?= .venv
VENV_ORACLES ?= .venv-oracles
VENV_PEERS ?= .venv-peers
VENV_RIVALS ?= .venv-rivals
VENV_WITNESS ?= .venv-witness
VENV_BROWSER ?= .venv-browser
VENV_EXAMPLES ?= .venv-examples
VENV_CONTRACT ?= .venv-contract
VENV_SUPPLY ?= .venv-supply
VENV_FUZZ ?= .venv-fuzz
VENV_SITE ?= .venv-site

# Debian's python3 may come without ensurepip: the environment is made without pip and
# filled by the pip of the Python that made it.
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do \
	if $$name -c 'import sys, pip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	2>/dev/null; then echo $$name; break; fi; done)
VERSION := $(shell $(or $(PYTHON),false) -c 'import sys; print(sys.version_info[:2])' 2>/dev/null)
INSTALL = PIP_NO_COLOR=1 $(PYTHON) -m pip --disable-pip-version-check --python $(1) install \
	--quiet --no-warn-script-location --no-deps --root-user-action ignore
# Of an environment that few tests use, Python compiles what they import, not all there is.
INSTALL_FEW = $(INSTALL) --no-compile

# A stamp is named after what it stands for, so a second call does nothing and a changed
# lock, Python or place of the checkout installs again.
key = $(shell { echo "$(VERSION) $(CURDIR)"; cat $(1); } | cksum | tr ' ' -)
DEFAULT_FILES := requirements/default.lock requirements/build.lock pyproject.toml
DEFAULT := $(VENV)/.default-$(call key,$(DEFAULT_FILES))
DEV := $(VENV)/.dev-$(call key,requirements/dev.lock $(DEFAULT_FILES))
ORACLES := $(VENV_ORACLES)/.oracles-$(call key,requirements/oracles.lock)
PEERS := $(VENV_PEERS)/.peers-$(call key,requirements/peers.lock)
RIVALS := $(VENV_RIVALS)/.rivals-$(call key,requirements/rivals.lock)
# aics-witness wants a newer Python than the project does.
PYTHON_WITNESS ?= $(shell for name in $(PYTHON) python3.13 python3.12 \
	$(wildcard $(HOME)/.pyenv/versions/3.1[23].*/bin/python3); do \
	if $$name -c 'import sys, pip; sys.exit(not (3, 12) <= sys.version_info[:2] <= (3, 13))' \
	2>/dev/null; then echo $$name; break; fi; done)
WITNESS := $(VENV_WITNESS)/.witness-$(call key,requirements/witness.lock)
BROWSER := $(VENV_BROWSER)/.browser-$(call key,requirements/browser.lock)
EXAMPLES := $(VENV_EXAMPLES)/.examples-$(call key,requirements/examples.lock)
SUPPLY := $(VENV_SUPPLY)/.supply-$(call key,requirements/supply.lock)
FUZZ := $(VENV_FUZZ)/.fuzz-$(call key,requirements/fuzz.lock)
SITE := $(VENV_SITE)/.site-$(call key,requirements/site.lock)
CONTRACT := $(VENV_CONTRACT)/.contract-$(call key,requirements/contract.lock)

help: ## What there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile
	@echo 'make demo ARGS="--duration 20 --data DIR" passes options on to the demo'

demo: $(DEFAULT) ## The whole factory on this machine; Ctrl-C ends, audits and verifies it
	@.ci/get-mosquitto || echo "The demo uses the broker that comes with it" >&2
	@$(VENV)/bin/factoryledger demo $(ARGS)

test: environment oracles peers witness browser examples broker postgresql libfaketime pango promtool anvil compiler cc check ## Everything that must hold, from an empty machine

check: $(DEV) ## Format, lint, types, imports, tests
	@$(MAKE) lint
	$(VENV)/bin/python -m pytest -n $(WORKERS) --dist worksteal $(PYTEST_ARGS)

lint: $(DEV) ## Format, lint, types, imports
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/ruff check
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

docs: $(DEV) ## The pages and the schema that are rendered from the program
	@mkdir -p build
	$(VENV)/bin/python tests/roof/commands_page.py > docs/commands.md
	$(VENV)/bin/python tests/roof/settings_page.py > docs/settings.md
	$(VENV)/bin/python tests/roof/man_pages.py
	$(VENV)/bin/python tests/simulator/scenario_schema.py > docs/scenario.schema.json
	$(VENV)/bin/python tests/faults/faults_page.py > docs/faults.md
	$(VENV)/bin/python tests/documents/errors_page.py > build/errors.md && mv build/errors.md docs/errors.md
	$(VENV)/bin/python tests/documents/decisions_page.py > build/decisions.md && mv build/decisions.md docs/decisions/README.md
	$(VENV)/bin/python tests/simulator/machines_page.py
	$(VENV)/bin/python benchmarks/tables.py
	$(VENV)/bin/python tests/roof/dashboard_page.py > docs/observability/grafana-dashboard.json

site: $(SITE) ## build/site: the documents as a site, which asks nothing of any other host
	@mkdir -p build
	NO_MKDOCS_2_WARNING=1 $(VENV_SITE)/bin/python -m mkdocs build --quiet --strict

licences: $(DEV) $(SITE) ## docs/licences.md, from what the installed packages say; fails on one that is unknown
	$(VENV)/bin/python tests/documents/licences_page.py

site-check: $(DEV) broker site ## The site is built, and the tutorial done in a fresh folder as it stands there
	$(VENV)/bin/python -m pytest tests/documents -m "long or not long" --durations 3 $(PYTEST_ARGS)

verifier: $(DEV) ## The page that checks proofs, one HTML file, from its modules
	@mkdir -p build
	$(VENV)/bin/python tests/watch/verifier_page.py > build/verifier.html
	@mv build/verifier.html watch/verifier/verifier.html

screenshots: $(DEV) browser broker ## The documents' pictures: terminal and page, of small factories that run for it
	$(VENV)/bin/python tests/watch/terminal_pictures.py docs/pictures
	$(VENV)/bin/python tests/watch/pictures.py

format: $(DEV) ## Put every file into its one format
	$(VENV)/bin/ruff format
	$(VENV)/bin/ruff check --fix

environment: $(DEV) ## .venv, with what the tests need

oracles: $(ORACLES) ## .venv-oracles: strangers' verifiers, for tests

witness: ## .venv-witness: a stranger's witness, for a test; it wants Python 3.12 or later
	@test -n "$(PYTHON_WITNESS)" && $(MAKE) $(WITNESS) \
		|| echo "No Python 3.12 or later: the test with aics-witness will be skipped" >&2

browser: $(BROWSER) ## .venv-browser, and Chromium: for the tests of pages; without it they are skipped
	@.ci/get-chromium || echo "The tests that need Chromium will be skipped" >&2

examples: $(EXAMPLES) ## .venv-examples: what the examples use, scikit-learn

example: $(DEFAULT) $(EXAMPLES) ## A labelled data set, and an IsolationForest that finds its faults
	@mkdir -p build
	$(VENV)/bin/factoryledger simulate --scenario examples/anomaly_detection.yaml --interval 2 \
		--duration 18000 --out build/factory.csv
	$(VENV_EXAMPLES)/bin/python examples/anomaly_detection.py build/factory.csv

peers: $(PEERS) ## .venv-peers: independent programs that tests talk to

rivals: $(RIVALS) ## .venv-rivals: others' programs that benchmarks alone measure ours beside

broker: ## Mosquitto, which the tests need
	@.ci/get-mosquitto

postgresql: ## PostgreSQL, for the tests of that store; without it they are skipped
	@.ci/get-postgresql || echo "The tests that need PostgreSQL will be skipped" >&2

libfaketime: ## libfaketime, for the tests that move a process's clock; without it they are skipped
	@.ci/get-libfaketime || echo "The tests that move a process's clock will be skipped" >&2

pango: ## Pango and a font, for the tests that print a report; without them those are skipped
	@.ci/get-pango || echo "The tests that print a report will be skipped" >&2

promtool: ## Prometheus's own checker, for the test of the alerts; without it that is skipped
	@.ci/get-promtool || echo "The test that plays the alerts will be skipped" >&2

anvil: ## A node of an EVM chain, for the tests of that ledger; without it they are skipped
	@.ci/get-anvil >/dev/null || echo "The tests that need a chain will be skipped" >&2

cc: ## A C compiler, for the tests that fail every durable step; without it they are skipped
	@.ci/get-compiler || echo "The tests that fail every durable step will be skipped" >&2

compiler: $(CONTRACT) ## .venv-contract: the compiler of the contract on the chain

contract: $(CONTRACT) ## Compile the contract on the chain: ABI and bytecode beside its source
	$(VENV_CONTRACT)/bin/python tests/anchor_ledgers/compile_contract.py $(VENV_CONTRACT)/bin/vyper \
		> build/Checkpoints.json
	@mv build/Checkpoints.json anchor/ledgers/evm/vyper/Checkpoints.json

bench: $(DEFAULT) peers rivals browser ## Every figure of the tables, into build/bench.json (QUICK=1, PIECES="collect audit")
	@.ci/get-mosquitto --clients
	$(VENV)/bin/python benchmarks/bench.py $(if $(QUICK),--quick) $(PIECES)

bench-table: $(DEFAULT) ## The tables of README and docs, from docs/bench.json (RUN=build/bench.json keeps that first)
	$(VENV)/bin/python benchmarks/tables.py $(RUN)

bench-more: $(DEFAULT) peers postgresql anvil compiler ## What else benchmarks/ measures, each in its own words
	@.ci/get-mosquitto --clients
	@set -e; for name in beside_the_commit connections gas ledgers link_receive merkle outbox postgresql revocation \
		prove receipts strict_parse tls_fleet; do echo "== $$name"; $(VENV)/bin/python benchmarks/$$name.py; done

soak: $(DEFAULT) broker ## Ten minutes of traffic: whether the collector's memory stays flat (SOAK=--full)
	$(VENV)/bin/python benchmarks/soak.py --seconds 600 $(SOAK)

test-compose: $(DEV) ## The compose stack on a real engine: up, killed, cut, scaled; skipped without an engine
	@command=$$(.ci/find-compose) || exit 0; COMPOSE="$$command" $(VENV)/bin/python -m pytest \
		tests/compose -m compose -s --durations 5 $(PYTEST_ARGS)

test-wheel: $(DEV) broker ## The wheel, built from the sdist, installed in empty environments; the demo runs from it
	@.ci/test-wheel $(VENV)/bin/python

sbom: $(SUPPLY) ## build/sbom.json: what the image is made of, as CycloneDX
	@mkdir -p build
	$(VENV_SUPPLY)/bin/cyclonedx-py requirements --output-reproducible --pyproject pyproject.toml \
		--output-file build/sbom.json requirements/image.lock 2>/dev/null

advisories: $(SUPPLY) ## What is known against the pinned packages, where a registry answers
	@.ci/audit-dependencies $(VENV_SUPPLY)/bin/pip-audit requirements/default.lock requirements/image.lock

gateway: $(DEV) broker ## Both recorded sessions through a gateway, every message proved; counts are printed
	$(VENV)/bin/python -m pytest tests/gateway -m "long or not long" -s --durations 3 $(PYTEST_ARGS)

faults: $(DEV) broker postgresql libfaketime ## Everything killed, cut, flooded and forged for minutes; prints what was lost: 0
	$(VENV)/bin/python -m pytest tests/survival tests/roof/test_demo.py \
		tests/anchor_verify/test_audit_attacks.py \
		-m "long or not long" -s --durations 5 $(PYTEST_ARGS)

.PHONY: torture
torture: $(DEV) broker postgresql libfaketime ## Every fault, from a seed, for so long, and the history checked (SECONDS=60 SEED=1)
	@mkdir -p build
	$(VENV)/bin/python tests/torture/torture.py --seconds $(or $(SECONDS),60) \
		$(if $(SEED),--seed $(SEED)) --summary build/torture.json $(ARGS)

namespaces: $(DEV) broker ## Four minutes of silence between broker, collector and machines, each on a host of its own
	$(VENV)/bin/python -m pytest tests/survival/test_namespaces.py -m long -s -rs $(PYTEST_ARGS)

outage: $(DEV) broker postgresql ## Five minutes without the database: memory, and what was lost: 0
	SURVIVAL_OUTAGE=300 $(VENV)/bin/python -m pytest tests/survival/test_outage.py \
		-m long -k "stopped or locked" -s $(PYTEST_ARGS)

hammer: $(DEV) ## The anchor killed at every step and its storage flipped, thousands of times
	$(VENV)/bin/python -m pytest tests/anchor_writer/test_hammer.py -m "long or not long" -s $(PYTEST_ARGS)

interleave: $(DEV) ## Outbox, broker and collector under every fault, simulated: SECONDS=60 SEED=1 JOBS=1
	PYTHONHASHSEED=0 $(VENV)/bin/python tests/interleaving/drive.py --seconds $(or $(SECONDS),60) \
		--seed $(or $(SEED),1) --jobs $(or $(JOBS),1) $(ARGS)

steps: $(DEV) cc ## Every durable step of outbox, collector, anchor and witness failed in turn; a table
	$(VENV)/bin/python tests/steps/every_step.py

vectors: $(DEV) ## Third parties' vectors, in a table: how many are accepted and refused, of how many
	$(VENV)/bin/python -m pytest tests/anchor_formats/test_vector_counts.py -q -rs $(PYTEST_ARGS)

mutations: $(DEV) ## 10,000 damages to store, log and proofs: found, or without meaning
	$(VENV)/bin/python -m pytest tests/anchor_verify/test_mutations.py -m "long or not long" -s \
		$(PYTEST_ARGS)

breakages: $(DEV) broker postgresql ## One rule after another taken out of a copy: whether the tests see it (ONLY=name)
	$(VENV)/bin/python tests/breaking/break_on_purpose.py $(ONLY)

SECONDS ?= 60
TARGET ?=
fuzz: $(DEV) $(FUZZ) ## Parsers of what comes from outside, fuzzed by coverage: SECONDS=60, TARGET=recordings/line
	@mkdir -p build
	@PYTHONPATH=$$(echo $(VENV_FUZZ)/lib/python3*/site-packages) $(VENV)/bin/python \
		tests/fuzz/fuzz_all.py --seconds $(SECONDS) --target "$(TARGET)"

reliability: $(DEV) ## The figures of docs/reliability.md, from the long runs in build/
	$(VENV)/bin/python tests/reliability/reliability_page.py build

day: $(DEFAULT) ## A day of twenty machines, written twice: the same bytes
	$(VENV)/bin/python benchmarks/day.py --twice

COMPILE = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-annotate --no-header
lock: ## Pin the newest versions that pyproject.toml allows (needs uv)
	$(COMPILE) --upgrade pyproject.toml --output-file requirements/default.lock
	$(COMPILE) --upgrade --extra dev --constraint requirements/default.lock pyproject.toml \
		--output-file requirements/dev.lock
	$(COMPILE) --upgrade requirements/build.in --output-file requirements/build.lock
	$(COMPILE) --upgrade requirements/oracles.in --output-file requirements/oracles.lock
	$(COMPILE) --upgrade requirements/peers.in --output-file requirements/peers.lock
	$(COMPILE) --upgrade requirements/rivals.in --output-file requirements/rivals.lock
	$(subst 3.11,3.12,$(COMPILE)) --upgrade requirements/witness.in \
		--output-file requirements/witness.lock
	$(COMPILE) --upgrade requirements/browser.in --output-file requirements/browser.lock
	$(COMPILE) --upgrade requirements/examples.in --output-file requirements/examples.lock
	$(COMPILE) --upgrade requirements/contract.in --output-file requirements/contract.lock
	$(COMPILE) --upgrade requirements/supply.in --output-file requirements/supply.lock
	$(COMPILE) --upgrade requirements/fuzz.in --output-file requirements/fuzz.lock
	$(COMPILE) --upgrade requirements/site.in --output-file requirements/site.lock
	$(COMPILE) --upgrade requirements/npm.in --output-file requirements/npm.lock
	$(COMPILE) --upgrade --extra evm --extra tsa --constraint requirements/dev.lock pyproject.toml \
		--output-file requirements/image.lock

clean: ## Remove what make made; data folders stay
	rm -rf $(VENV) $(VENV_ORACLES) $(VENV_PEERS) $(VENV_RIVALS) $(VENV_WITNESS) $(VENV_BROWSER) $(VENV_EXAMPLES) \
		$(VENV_CONTRACT) $(VENV_SUPPLY) $(VENV_FUZZ) $(VENV_SITE) build dist \
		.mypy_cache .ruff_cache .pytest_cache \
		.hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- environments -----------------------------------------------------------------------

define python_needed
@test -n "$(VERSION)" || { echo "No Python 3.11, 3.12 or 3.13 with pip was found:" \
	"install one (Debian: apt-get install python3 python3-pip)" \
	"or name it: make PYTHON=/path/to/python" >&2; exit 1; }
endef

# An environment of another Python is no use to this one: make it anew.
define environment_made
@$(1)/bin/python -c 'import sys; sys.exit(str(sys.version_info[:2]) != "$(VERSION)")' \
	2>/dev/null || $(PYTHON) -m venv --clear --without-pip $(1)
endef

$(DEFAULT):
	$(python_needed)
	@echo "Making $(VENV)" >&2
	$(call environment_made,$(VENV))
	@$(call INSTALL,$(VENV)) --require-hashes -r requirements/default.lock -r requirements/build.lock
	@$(call INSTALL,$(VENV)) --no-build-isolation --editable .
	@rm -f $(VENV)/.default-* && touch $@

$(DEV): $(DEFAULT)
	@$(call INSTALL,$(VENV)) --require-hashes -r requirements/dev.lock
	@rm -f $(VENV)/.dev-* && touch $@

$(ORACLES):
	$(python_needed)
	@echo "Making $(VENV_ORACLES)" >&2
	$(call environment_made,$(VENV_ORACLES))
	@$(call INSTALL_FEW,$(VENV_ORACLES)) --require-hashes -r requirements/oracles.lock
	@rm -f $(VENV_ORACLES)/.oracles-* && touch $@

$(RIVALS):
	$(python_needed)
	@echo "Making $(VENV_RIVALS)" >&2
	$(call environment_made,$(VENV_RIVALS))
	@$(call INSTALL_FEW,$(VENV_RIVALS)) --require-hashes -r requirements/rivals.lock
	@rm -f $(VENV_RIVALS)/.rivals-* && touch $@

$(BROWSER):
	$(python_needed)
	@echo "Making $(VENV_BROWSER)" >&2
	$(call environment_made,$(VENV_BROWSER))
	@$(call INSTALL_FEW,$(VENV_BROWSER)) --require-hashes -r requirements/browser.lock
	@rm -f $(VENV_BROWSER)/.browser-* && touch $@

$(EXAMPLES):
	$(python_needed)
	@echo "Making $(VENV_EXAMPLES)" >&2
	$(call environment_made,$(VENV_EXAMPLES))
	@$(call INSTALL_FEW,$(VENV_EXAMPLES)) --require-hashes -r requirements/examples.lock
	@rm -f $(VENV_EXAMPLES)/.examples-* && touch $@

$(SUPPLY):
	$(python_needed)
	@echo "Making $(VENV_SUPPLY)" >&2
	$(call environment_made,$(VENV_SUPPLY))
	@$(call INSTALL_FEW,$(VENV_SUPPLY)) --require-hashes -r requirements/supply.lock
	@rm -f $(VENV_SUPPLY)/.supply-* && touch $@

$(CONTRACT):
	$(python_needed)
	@echo "Making $(VENV_CONTRACT)" >&2
	$(call environment_made,$(VENV_CONTRACT))
	@$(call INSTALL,$(VENV_CONTRACT)) --require-hashes -r requirements/contract.lock
	@rm -f $(VENV_CONTRACT)/.contract-* && touch $@

$(FUZZ):
	$(python_needed)
	@echo "Making $(VENV_FUZZ)" >&2
	$(call environment_made,$(VENV_FUZZ))
	@$(call INSTALL_FEW,$(VENV_FUZZ)) --require-hashes --only-binary :all: -r requirements/fuzz.lock
	@rm -f $(VENV_FUZZ)/.fuzz-* && touch $@

$(SITE):
	$(python_needed)
	@echo "Making $(VENV_SITE)" >&2
	$(call environment_made,$(VENV_SITE))
	@$(call INSTALL_FEW,$(VENV_SITE)) --require-hashes -r requirements/site.lock
	@rm -f $(VENV_SITE)/.site-* && touch $@

$(WITNESS):
	@echo "Making $(VENV_WITNESS)" >&2
	@$(PYTHON_WITNESS) -m venv --clear --without-pip $(VENV_WITNESS)
	@PIP_NO_COLOR=1 $(PYTHON_WITNESS) -m pip --disable-pip-version-check --python $(VENV_WITNESS) \
		install --quiet --no-warn-script-location --no-deps --root-user-action ignore --no-compile \
		--require-hashes -r requirements/witness.lock
	@touch $@

$(PEERS):
	$(python_needed)
	@echo "Making $(VENV_PEERS)" >&2
	$(call environment_made,$(VENV_PEERS))
	@$(call INSTALL_FEW,$(VENV_PEERS)) --require-hashes -r requirements/peers.lock
	@rm -f $(VENV_PEERS)/.peers-* && touch $@
