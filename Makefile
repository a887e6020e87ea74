# One command each: `make test` and `make bench` do their own set-up.
SHELL := /bin/bash
SWIFT ?= swift
FULL ?=
ARGS ?=
PEERS_PYTHON ?= python3
EXAMPLES := $(notdir $(wildcard Examples/*))
TESTED := -c release -Xswiftc -enable-testing --scratch-path .build/test
RUNNER_TESTED := --package-path Benchmarks -c release -Xswiftc -enable-testing
# Optimised, or the numerics take too long under a sanitizer; debug builds have their own target.
SANITIZED := -c release -Xswiftc -enable-testing --disable-xctest --scratch-path .build/sanitize
ADDRESS := $(SANITIZED)-address --sanitize=address -Xcc -fsanitize=undefined -Xcc -fno-sanitize-recover=undefined
THREAD := $(SANITIZED)-thread --sanitize=thread

.PHONY: all setup build test test-debug bench bench-peers mnist lint format docs sanitize fuzz perf-check perf-baseline clean help

all: build

help:
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: ## install the system libraries when they are missing
	@scripts/setup.sh

build: setup ## the library, release
	$(SWIFT) build -c release

test: setup ## all tests and examples, release (test-debug: bounds and overflow checks)
	$(SWIFT) test $(TESTED) --disable-xctest
	@set -e; for example in $(EXAMPLES); do echo "== example $$example"; $(SWIFT) run $(TESTED) --skip-build $$example; done
	$(SWIFT) test $(RUNNER_TESTED) --disable-xctest

test-debug: setup ## the same tests with bounds and overflow checks
	$(SWIFT) test --disable-xctest

bench: setup ## the main job: ODE-Net against ResNet on MNIST (FULL=1: the whole table)
	$(SWIFT) run --package-path Benchmarks -c release nde-bench odenet-vs-resnet $(if $(FULL),--full) $(ARGS)

bench-peers: setup ## ours and the peers in turns, one table (PEERS_PYTHON=python with Benchmarks/peers/requirements.txt)
	@$(PEERS_PYTHON) -c 'import torch, torchdiffeq, torchode, jax, diffrax, optax' || { \
	  echo "bench-peers: $(PEERS_PYTHON) lacks the peers; Benchmarks/peers/requirements.txt says how to get them" >&2; exit 1; }
	$(SWIFT) build --package-path Benchmarks -c release --product nde-bench
	$(PEERS_PYTHON) Benchmarks/peers/bench.py --runner Benchmarks/.build/release/nde-bench $(ARGS)

mnist: ## download MNIST into data/mnist, checksums verified
	@scripts/mnist.sh data/mnist

lint: ## format, layers, file lengths, exported C symbols
	@scripts/lint.sh

format: ## rewrite the sources in the house style
	$(SWIFT) format -i -p -r Sources Tests Benchmarks/Sources Benchmarks/Tests Examples Package.swift Benchmarks/Package.swift

docs: ## the DocC documentation, into .build/docs
	@scripts/docs.sh

sanitize: setup ## the tests under the address + undefined-behaviour and the thread sanitizers
	LSAN_OPTIONS=suppressions=$(CURDIR)/Tests/leak-suppressions.txt:print_suppressions=0 $(SWIFT) test $(ADDRESS)
	$(SWIFT) test $(THREAD)

# What CI runs before everything else, the two side by side: an optimised build of a Swift module is one core's work.
.PHONY: builds-1 builds-2
builds-1: setup
	$(SWIFT) build $(TESTED) --build-tests
	$(SWIFT) build $(THREAD) --build-tests
builds-2: setup
	$(SWIFT) build $(RUNNER_TESTED) --build-tests
	$(SWIFT) build $(ADDRESS) --build-tests

FUZZ_SECONDS ?= 20
fuzz: setup ## random files, programs and calls, each for FUZZ_SECONDS (20); SANITIZE=address, FUZZ_SEED=, FUZZ_ONLY=
	@SWIFT="$(SWIFT)" SANITIZE="$(SANITIZE)" FUZZ_SEED="$(FUZZ_SEED)" FUZZ_ONLY="$(FUZZ_ONLY)" scripts/fuzz.sh $(FUZZ_SECONDS)

# make knows only one failure, so here improvements are none; scripts/perf-check.sh itself says 4.
perf-check: setup ## counters and times against the baseline and the base commit (PERF_BASE=commit or none)
	@scripts/perf-check.sh $(ARGS) || { code=$$?; [ $$code -eq 4 ] || exit $$code; }

perf-baseline: setup ## make what perf-check counts now the baseline
	$(SWIFT) run --package-path Benchmarks -c release --scratch-path .build/perf/head nde-bench perf-baseline

clean: ## remove everything that was built
	rm -rf .build Benchmarks/.build
