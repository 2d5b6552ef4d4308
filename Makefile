# Everything CI does, by name. `make run` and `make test` need Go, git and make.
GO     ?= go
BIN    := bin/sluice
DATA   ?= .data/webhooks
LISTEN ?= 127.0.0.1:9042

.PHONY: run serve build test vet lint race fuzz bench generate fresh check clean

run: build ## the main example, end to end, told line by line
	$(GO) run ./examples/webhooks/tour -sluice $(BIN)

serve: build ## the same node and vendor, left running until interrupted
	$(GO) run ./examples/webhooks/tour -sluice $(BIN) -keep -data $(DATA) -listen $(LISTEN)

build:
	@mkdir -p bin
	$(GO) build -trimpath -o $(BIN) ./cmd/sluice

test: ## a busy machine may take longer for a package than the ten minutes go allows
	$(GO) test -timeout 30m ./...

vet:
	$(GO) vet ./...
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo "run gofmt -w on these"; exit 1; }

lint: ## staticcheck, pinned in tools/go.mod
	cd tools && $(GO) build -o ../bin/staticcheck honnef.co/go/tools/cmd/staticcheck
	bin/staticcheck ./...

race: ## the examples run the binary, which the detector does not see
	$(GO) test -race -short -timeout 30m $$($(GO) list ./... | grep -v /examples/)

fuzz: ## every fuzz target for FUZZTIME each, a time or a number of runs such as 1000x
	sh tools/fuzz.sh $(or $(FUZZTIME),5s)

bench: ## the comparisons of bench/, as ratios
	cd bench && $(GO) run . && $(GO) run ./ingest && $(GO) run ./store && $(GO) run ./idle && $(GO) run ./webhooks

generate: ## schemas and the reference of components, from the structs
	$(GO) run ./internal/gen

fresh: generate
	git diff --exit-code -- schemas docs/reference internal/diag/rules.txt

check: vet lint test race fresh fuzz

clean:
	rm -rf bin .data
