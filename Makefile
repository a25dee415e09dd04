# On a fresh machine: make stack, make run, make test. The other targets are for developers.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check

.PHONY: run stack stack-forget web quick test test-images fuzz soak restarts lint types docs proxies bench lock sbom clean

run: $(VENV)/demo                ## run the task service, AuthGate and Traefik on this machine, with a generated secret
	@$(BIN)/python -m deploy.demo

# Two more than the number of cores, because most tests wait for other processes.
WORKERS ?= $(shell expr $$(nproc 2>/dev/null || echo 2) + 2)

PORT ?= 8080
stack: $(VENV)/demo stack-programs web ## run Next.js, Better Auth, a task service, PostgreSQL, AuthGate, Traefik and nginx (PORT, 8080)
	@$(BIN)/python -m deploy.stack.run --port $(PORT)

stack-forget: $(VENV)/demo       ## delete the users and tasks of `make stack`
	@$(BIN)/python -m deploy.stack.run --forget

# Most of AuthGate's logic, under a minute on two cores. No server, browser or container: only the virtual environment.
# Each property gets a tenth of its examples.
QUICK := $(addprefix tests/,core adapters config presets stores tokens properties)
quick: $(VENV)/installed         ## the tests to run while you edit: core, adapters, configuration, tokens, properties
	@HYPOTHESIS_PROFILE=quick $(BIN)/pytest --quiet --numprocesses 2 --dist load \
		--ignore-glob 'tests/tokens/test_fresh_vectors*' $(QUICK) $(PYTEST_ARGS) \
		|| { echo "make quick: some tests failed, see above."; exit 1; }
	@echo "make quick: all tests passed. \`make test\` also runs the servers, real proxies, a browser and containers."

# Most tests wait for other processes, so those of the images run at the same time, in a network of their own.
test:                            ## run all tests, with real proxies, Chromium and containers
	@$(MAKE) --no-print-directory --silent --jobs 2 $(VENV)/installed programs-and-web
	@tests/beside tests/images/run $(BIN)/pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

test-images: $(VENV)/installed   ## test the images, docker-compose.yml and the Kubernetes pods with podman (as root)
	@tests/images/run

SECONDS ?= 30
fuzz: $(VENV)/installed          ## fuzz by coverage: each target for SECONDS (30), as many at once as there are processors (TARGETS)
	@$(BIN)/python -m tests.fuzz.run --seconds $(SECONDS) $(TARGETS)

soak: SECONDS := 600
soak: $(VENV)/installed          ## users and attackers through nginx for SECONDS (600): every answer right, memory and descriptors flat
	@$(BIN)/python -m bench.soak --seconds $(SECONDS)

RESTARTS ?= 100
restarts: $(VENV)/installed      ## kill each session store and the key server RESTARTS times (100) under 200 users; needs PostgreSQL, PgBouncer, Redis
	@$(BIN)/python -m bench.restarts --restarts $(RESTARTS)

lint: $(VENV)/installed          ## check the code's style, spelling, the example's front end, and the documentation's links and words
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/python docs/check.py
	deploy/stack/build-web lint

types: $(VENV)/installed
	$(BIN)/mypy

docs: $(VENV)/installed          ## generate docs/configuration.md, docs/metrics.md, docs/reasons.md and a table of README.md
	$(BIN)/python docs/generate.py

proxies: $(VENV)/installed       ## generate the proxies' files in deploy/ from the package
	@$(BIN)/authgate proxy nginx --defaults --output deploy/nginx
	@$(BIN)/authgate proxy caddy --defaults --output deploy/caddy
	@$(BIN)/authgate proxy traefik --defaults --output deploy/traefik
	@$(BIN)/authgate proxy traefik --defaults --address authgate:4190 --output deploy/traefik/compose
	@$(BIN)/authgate proxy traefik --defaults --address authgate:4190 --output deploy/stack/edge
	@$(BIN)/authgate proxy nginx --config deploy/stack/authgate/authgate.yaml --address authgate:4190 \
		--output deploy/stack/edge/nginx
	@$(BIN)/authgate proxy traefik --defaults --form crd --address https://authgate.authgate.svc:4190 \
		--output deploy/kubernetes/central

# Its rivals have an environment of their own, because AuthGate and its tests never import them.
BENCH_PROGRAMS := wrk:wrk haproxy:haproxy nginx:nginx-light node:nodejs npm:npm
bench: $(VENV)/installed $(VENV)/rivals/installed ## measure AuthGate beside HAProxy, Envoy and others (BENCH="--seconds 1 --only warm")
	@deploy/install-programs bench $(BENCH_PROGRAMS)
	@$(BIN)/python -m bench $(BENCH)

$(VENV)/rivals/installed: requirements-bench.lock
	@echo "Installing the rivals (once, about a minute) ..."
	@$(PYTHON) -m venv $(VENV)/rivals
	@$(VENV)/rivals/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement $<
	@touch $@

LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header
lock: $(VENV)/installed          ## resolve the dependencies again: hashes, and no address of an index
	$(BIN)/pip install --quiet uv
	$(LOCK) --all-extras --group dev pyproject.toml --output-file requirements-dev.lock
	$(LOCK) --group demo --constraint requirements-dev.lock pyproject.toml --output-file requirements-demo.lock
	$(LOCK) --all-extras --constraint requirements-dev.lock pyproject.toml --output-file requirements.lock
	$(LOCK) --constraint requirements-dev.lock --group bench --output-file requirements-bench.lock
	$(LOCK) --constraint requirements-dev.lock --group build --output-file requirements-build.lock
	$(LOCK) --constraint requirements-dev.lock --group tasks --output-file deploy/tasks/requirements.lock
	$(LOCK) --constraint requirements-dev.lock --group stack-tasks --output-file deploy/stack/tasks/requirements.lock

SBOM ?= sbom.json
sbom: $(VENV)/installed          ## write a CycloneDX list of AuthGate's dependencies, from the lock
	@PYTHONWARNINGS=ignore $(BIN)/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --output-reproducible \
		--of JSON --output-file $(SBOM)

clean:                           ## delete what was installed, built and kept, with the users and tasks of `make stack`
	@[ ! -x $(BIN)/python ] || $(BIN)/python -m deploy.stack.run --forget
	rm -rf deploy/stack/web/node_modules deploy/stack/web/.next
	rm -rf $(VENV) .fuzz .images .pytest_cache .mypy_cache .ruff_cache .hypothesis .run *.egg-info

# A lock names every package, so pip resolves nothing (--no-deps): older versions would install a newer coverage for
# "coverage[toml]" than the lock has. On Debian, python3 has no venv module without python3-venv: say so in one line.
$(VENV)/demo: requirements-demo.lock pyproject.toml
	@$(PYTHON) -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| { echo "AuthGate needs Python 3.11 or later with venv: apt-get install python3-venv"; exit 1; }
	@echo "Installing into $(VENV) (once, about a minute) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --no-deps --require-hashes --requirement requirements-demo.lock
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/installed: $(VENV)/demo requirements-dev.lock
	@echo "Installing what the tests need (once, about a minute) ..."
	@$(PIP) --no-deps --require-hashes --requirement requirements-dev.lock
	@touch $@

web: ; @deploy/stack/build-web

# Programs that PyPI does not have. As root, `make` installs them from Debian's packages. Otherwise `make stack` prints
# what is missing, and the tests that need them are skipped with the command that installs them.
STACK_PROGRAMS := nginx:nginx-light node:nodejs npm:npm postgres:postgresql
TEST_PROGRAMS := $(STACK_PROGRAMS) openssl:openssl redis-server:redis-server pgbouncer:pgbouncer wrk:wrk \
	chromium-headless-shell:chromium-headless-shell
.PHONY: programs stack-programs programs-and-web
programs: ; @deploy/install-programs test $(TEST_PROGRAMS)
stack-programs: ; @deploy/install-programs stack $(STACK_PROGRAMS)
programs-and-web: programs ; @deploy/stack/build-web
