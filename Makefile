# cellar: make run, make test. See README.md.

VERSION     := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.7.0
# The race detector needs a C compiler; without one the tests run without it.
#
# Left out of the detector: SQLite, which was translated from C and keeps its memory
# where the detector sees nothing of it, the cryptography of the Go project, and the
# compression of its library. They are many times slower under it, and none is ours.
UNWATCHED   := github.com/ncruces/go-sqlite3-wasm/... golang.org/x/crypto/... compress/flate
RACE        := $(if $(shell command -v cc gcc clang 2>/dev/null),-race $(UNWATCHED:%=-gcflags=%=-race=false),)

# Where make run serves: make run LISTEN=127.0.0.1:9000
LISTEN      ?= 127.0.0.1:8080

.PHONY: build run test test-short skips race bench lint fmt sample fuzz soak clean

build: ## one static program: bin/cellar
	CGO_ENABLED=0 go build -trimpath -ldflags "-X main.version=$(VERSION)" -o bin/cellar ./cmd/cellar

run: build ## serve on LISTEN, 127.0.0.1:8080, with a first cell, cell1
	./bin/cellar serve --data ./cellar-data --listen $(LISTEN) --cell cell1

test: skips ## all tests, with the race detector where there is a C compiler
	go test $(RACE) -parallel 4 -timeout 20m ./...

test-short: ## the tests that take no seconds and run no programs, without the race detector
	go test -short -parallel 4 ./...

# go test shows no skips of tests that pass, so what is left out is said here.
skips:
	@$(if $(RACE),:,echo "SKIPPED: no C compiler: testing without the race detector")
	@for c in curl wget cadaver rclone unzip bsdtar 7z python3 jar litmus fusermount3 mount.davfs gio dbus-run-session; do command -v $$c >/dev/null || echo "SKIPPED: $$c is not installed: what drives it is left out"; done
	@test -e /usr/share/gvfs/mounts/dav.mount || echo "SKIPPED: gvfs has no WebDAV backend: gio is left out"
	@test "$$(id -u)" = 0 || echo "SKIPPED: not root: no davfs2, no full disk"
	@test -w /proc/self/clear_refs || echo "SKIPPED: no /proc/self/clear_refs: memory is not watched"
	@test -e /proc/self/fd || echo "SKIPPED: no /proc: clients that stall are not looked for"
	@test -e /dev/fuse || echo "SKIPPED: no /dev/fuse: nothing is mounted"
	@test -f "$${CELLAR_BARS:-../shared/bars}/realworld.json" || echo "SKIPPED: no archives of real applications: set CELLAR_BARS to their folder"

race: ## all tests with the race detector, twice
	go test -race $(UNWATCHED:%=-gcflags=%=-race=false) -count=2 ./...

bench: ## the figures of docs/operations.md
	go test ./dav -run '^$$' -bench . -benchtime 2s
	go test ./cmd/cellar -run '^$$' -bench . -benchtime 3x -timeout 20m

lint: ## go vet, gofmt, staticcheck
	go vet ./...
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "run make fmt"; exit 1; }
	go run $(STATICCHECK) ./...

fmt:
	gofmt -w .

sample: ## the bar of the README's tour: bin/notes.bar
	@mkdir -p bin
	go run ./barfs/bartest/notesbar bin/notes.bar

fuzz: ## every fuzz test for a short while
	for f in FuzzOpen FuzzManifest FuzzRootProps; do go test ./barfs -run '^$$' -fuzz "$$f\$$" -fuzztime 60s || exit 1; done
	for f in FuzzSchema FuzzEntity; do go test ./barfs/edm -run '^$$' -fuzz "$$f\$$" -fuzztime 60s || exit 1; done
	for f in FuzzOwn FuzzPersonium FuzzCommonLine; do go test ./cellfs/restore -run '^$$' -fuzz "$$f\$$" -fuzztime 60s -fuzzminimizetime 1s || exit 1; done
	go test ./barfs/xmltree -run '^$$' -fuzz FuzzParse -fuzztime 60s
	go test ./dav -run '^$$' -fuzz FuzzIfHeader -fuzztime 60s
	go test ./dav -run '^$$' -fuzz FuzzRequests -fuzztime 60s

soak: ## kill the server many times, take locks many times, large bodies, full disks
	CELLAR_SOAK=1 go test ./cellfs -run TestFS/sqlite -timeout 60m
	CELLAR_SOAK=1 go test ./cmd/cellar -run "TestMemory|TestImportMemory|TestInstallMemory|TestZipReaders|TestRcloneMount" -timeout 60m -v
	CELLAR_SOAK=1 go test ./dav -run "TestManyInstallsAtOnce|TestSharedContents|TestExportKeepsInvariant|TestExportWhileWritersWork" -timeout 60m
	CELLAR_SOAK=1 go test ./cmd/cellar -run '^$$' -bench . -benchtime 3x -timeout 60m
	CELLAR_SOAK=1 go test ./dav -run '^$$' -bench BenchmarkImportForeign -benchtime 3x -timeout 60m
	CELLAR_SOAK=1 go test ./cmd/cellar -run TestToldOnAFullDiskSurvives -timeout 60m -v
	CELLAR_KILL_ROUNDS=200 go test ./cmd/cellar -run TestKill -timeout 60m -v

clean:
	rm -rf bin
