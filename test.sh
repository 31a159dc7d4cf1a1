#!/usr/bin/env bash
# Everything that must hold before a change goes in. Needs Debian with Rust, Python 3.11, Node and gcc; installs the rest, as root or with sudo.
# `./test.sh rust` and `./test.sh clients` run one half.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

part=${1:-all}
case $part in all | rust | clients) ;; *) echo "usage: $0 [rust|clients]" >&2 && exit 2 ;; esac

target=${CARGO_TARGET_DIR:-target}
cargo_deny=0.20.2
vega_datasets=3.2.1
axe_core=4.14.1
# Results must not depend on who runs this: the tests give the service all that it needs to know.
unset "${!LARDER_@}" "${!AWS_@}" "${!PG@}" DATABASE_URL

# step NAME COMMAND…: announces it, runs it, and says how long it took.
step() {
    local name=$1 started=$SECONDS
    shift
    printf '\n==> %s\n' "$name"
    "$@"
    printf '==> %s: %d s\n' "$name" $((SECONDS - started))
}

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

install_packages() {
    local missing=()
    ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing+=(postgresql)
    command -v curl >/dev/null || missing+=(curl)
    ls /usr/lib/*/faketime/libfaketimeMT.so.1 >/dev/null 2>&1 || missing+=(faketime)
    python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
    command -v chromium >/dev/null || missing+=(chromium)
    command -v systemd-analyze >/dev/null || missing+=(systemd)
    [ ${#missing[@]} = 0 ] && return
    as_root apt-get update -q
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
}

install_cargo_deny() {
    [ "$("$target/tools/bin/cargo-deny" --version 2>/dev/null)" = "cargo-deny $cargo_deny" ] ||
        cargo install --quiet --locked --debug --root "$target/tools" --no-default-features "cargo-deny@$cargo_deny"
}

install_python() {
    local wanted
    wanted=$(cat tests/clients/requirements.txt tests/deploy/requirements.txt)
    [ "$wanted" = "$(cat .venv/installed.txt 2>/dev/null)" ] && return
    python3 -m venv --clear .venv
    .venv/bin/pip install --quiet --disable-pip-version-check --no-deps -r tests/clients/requirements.txt -r tests/deploy/requirements.txt
    printf '%s\n' "$wanted" >.venv/installed.txt
}

install_data() {
    grep -qs "\"version\": \"$vega_datasets\"" node_modules/vega-datasets/package.json &&
        grep -qs "\"version\": \"$axe_core\"" node_modules/axe-core/package.json && return
    npm install --prefix . --no-save --no-package-lock --ignore-scripts --no-audit --no-fund --loglevel=error \
        "vega-datasets@$vega_datasets" "axe-core@$axe_core"
}

# The production image holds none of the embedded engines' code.
without_engines() {
    cargo check --no-default-features --all-targets
    local tree
    tree=$(cargo tree --no-default-features --edges normal --prefix none)
    if grep -E '^(dynoxide-rs|libsqlite3-sys|rusqlite|s3s) ' <<<"$tree"; then
        echo "the form without engines depends on the crates above" >&2
        return 1
    fi
}

clients() { .venv/bin/python -m pytest -q -p no:cacheprovider --durations=5 "$@"; }

if [ "$part" != clients ]; then
    step 'packages of Debian' install_packages
    step 'format' cargo fmt --check
    step 'clippy' cargo clippy --all-targets -- -D warnings
    step 'cargo-deny' install_cargo_deny
    # Not its fourth check, of advisories: that one needs a database from the network, and can fail without a change of ours.
    step 'bans, licences and sources' "$target/tools/bin/cargo-deny" check bans licenses sources
    step 'Rust tests' cargo test
    step 'the form without engines' without_engines
fi
if [ "$part" != rust ]; then
    step 'packages of Debian' install_packages
    step 'clients and servers for tests' install_python
    step 'real data' install_data
    # With the tests, as `cargo test` makes it: alone it is another form of the dependencies, which takes minutes to compile.
    step 'the binary' cargo build --bins --tests
    step 'real clients, embedded stores' clients tests/clients
    step 'templates and image' clients tests/deploy
    # What a page shows does not depend on where the stores are, and a browser takes its time.
    no_pages=--ignore=tests/clients/test_pages.py
    step 'real clients, stores elsewhere' clients tests/clients --stores=elsewhere "$no_pages"
    # The emulator holds objects in memory, so how much of it the service takes shows nothing here.
    step 'real clients, the stack of deploy/ on an emulator' clients tests/clients --stores=deployed "$no_pages" --ignore=tests/clients/test_memory.py
fi
printf '\n==> all passed: %d s\n' "$SECONDS"
