#!/usr/bin/env bash
# Takes the committed record of times anew on this machine, and all that is made of it: the row in
# docs/claims.md, the two figures. Let nothing else run meanwhile. Look at the difference, then commit it.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --locked --release
before=$(ls benches/records/*.json)
cargo run --locked --release -- bench --networks --record benches/records
# What this machine writes today, which may have the old name.
after=$(ls -t benches/records/*.json | head -n 1)
for old in $before; do
    [ "$old" = "$after" ] || rm "$old"
done
sed -i.old "s|benches/records/[^\"]*|$after|" src/evidence/speed.rs
rm src/evidence/speed.rs.old
cargo run --locked --release -- plot
INSTA_UPDATE=always cargo test --locked -p triform-cli --test program the_claims_are_the_list
