# make dev      three regions on this machine, and what to paste to use them
# make test     everything: what a change must pass
# The other targets are parts of test, or heavier: see each.

GO     ?= go
SEEDS  ?= 500
TUPLES ?= 1000000
ARGS   ?=
# Static binaries, and no compiler of C on the machine.
export CGO_ENABLED ?= 0

.PHONY: build dev test check unit race crash sim policy bench fuzz conformance conformance-full generate clean

build: toolchain
	$(GO) build -o bin/farhold ./cmd/farhold

dev: build
	./bin/farhold dev $(ARGS)

test: check unit fuzz
	@tools/conformance.sh optional

# check: what needs no run.
check: toolchain
	$(GO) vet ./...
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); \
	if [ -n "$$unformatted" ]; then echo "not formatted (gofmt -w):"; echo "$$unformatted"; exit 1; fi
	$(GO) run ./tools/gen -check

# unit: every package's tests, SEEDS seeds of the simulation among them.
unit: toolchain
	FARHOLD_SEEDS=$(SEEDS) $(GO) test -timeout 12m ./...

# race: the same under the race detector, which needs a compiler of C.
race: toolchain
	@command -v $${CC:-gcc} >/dev/null || { echo "make race needs a C compiler: apt-get install gcc libc6-dev"; exit 1; }
	CGO_ENABLED=1 FARHOLD_SEEDS=50 $(GO) test -race -timeout 30m ./...

# crash: the tests that stop the disk at every step, each step of them.
crash: toolchain
	FARHOLD_THOROUGH=1 FARHOLD_CRASH_SEEDS=20 $(GO) test -count=1 -timeout 60m -run 'Crash|Mutants|Fault|EachStep' ./kv/... ./blob/... ./store/...

# sim: regions under seeds, SEEDS of them.
sim: toolchain
	FARHOLD_SEEDS=$(SEEDS) $(GO) test -count=1 -timeout 60m ./sim/...

# policy: the evaluator of policies against its oracle, TUPLES questions.
policy: toolchain
	FARHOLD_POLICY_TUPLES=$(TUPLES) $(GO) test -count=1 -timeout 60m -run 'Oracle|Laws' -v ./policy

# fuzz: each target for FUZZTIME.
fuzz: toolchain
	@tools/fuzz.sh

# bench: the figures of BENCHMARKS.md on this machine.
bench: build
	FARHOLD=bin/farhold bench/run.sh

# conformance: AWS CLI, boto3, rclone and restic against a running realm; all
# must be there. conformance-full adds what takes long.
conformance: build
	@tools/conformance.sh required

conformance-full: build
	@tools/conformance.sh full

# generate: what is generated, anew.
generate: toolchain
	$(GO) run ./tools/gen

clean:
	rm -rf bin

.PHONY: toolchain
toolchain:
	@command -v $(GO) >/dev/null || { \
		echo "Farhold needs Go 1.26, which is not on the PATH."; \
		echo "Get it from https://go.dev/dl/ (Debian 12's own package is too old)."; exit 1; }
	@$(GO) version >/dev/null 2>&1 && $(GO) list -m >/dev/null 2>&1 || { \
		echo "Farhold needs Go 1.26; $$(GOTOOLCHAIN=local $(GO) version) can't read go.mod or fetch the toolchain it names."; exit 1; }
