# make test   everything that must hold, with one closing line
# make slow   the same with what takes long: 20 times where once shows the rule
# make demo   a region on this machine, created and invoked through the public API; the server stays up
# make bench  Lamina side by side with what it has to compare with (bench/README.md)
# make build  the binary, bin/lamina

.PHONY: all build test slow check demo bench generate clean

all: build

build:
	CGO_ENABLED=0 go build -trimpath -o bin/lamina ./cmd/lamina

test:
	test/install
	go run ./test/report

slow:
	test/install
	LAMINA_TEST_SLOW=1 go run ./test/report

# The checks without the tests: quick enough to run before every commit.
check:
	go run ./test/report -only checks

demo: build
	go run ./examples/demo -lamina bin/lamina

# Minutes; `go run ./bench -quick` is under one.
bench:
	go run ./bench

# Needs AWS's API models, which are not part of the repository (MODELS=folder).
MODELS ?= ../shared/models
generate:
	go run ./gen -models $(MODELS)

clean:
	rm -rf bin dist
