# The commands that people need; `just` alone lists them. https://just.systems; `pip install rust-just` brings it too.

_default:
    @just --list --unsorted

# Start Larder on http://127.0.0.1:8080 with its own engines; the first start takes a few seconds more.
run *arguments:
    cargo run --release -- {{arguments}}

# Run everything that must hold before a change goes in; `just test rust` and `just test clients` run one half.
test part='all':
    ./test.sh {{part}}

# What can be said in seconds: formatting, lints and unit tests.
check:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings
    cargo test --lib

# Format the code and take the fixes that clippy is sure of.
fix:
    cargo fmt
    cargo clippy --all-targets --fix --allow-dirty --allow-staged

# Look for files that break the reader of tables, from the corpus on, until one is found: `just fuzz -max_total_time=3600`. Needs nightly Rust and `cargo install cargo-fuzz`.
fuzz *arguments:
    mkdir -p fuzz/corpus/tables
    cargo +nightly fuzz run tables fuzz/corpus/tables tests/corpus -- -max_len=65536 -timeout=10 -rss_limit_mb=1024 {{arguments}}

# Look for texts that break the parser of queries, from the tests' cases on, as `just fuzz` does for files.
fuzz-queries *arguments:
    mkdir -p fuzz/corpus/queries
    cargo +nightly fuzz run queries fuzz/corpus/queries tests/grammar -- -max_len=4096 -timeout=10 -rss_limit_mb=1024 {{arguments}}

# Measure starts, a large blob and a large CSV: the figures of README's performance table.
bench *arguments:
    cargo build --release
    bench/run {{arguments}}
