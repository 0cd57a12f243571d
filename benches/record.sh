#!/usr/bin/env bash
# Takes the committed record of times again, on this machine, and updates what is made from it: the row in
# docs/claims.md and the two figures. Run nothing else meanwhile. Check the diff, then commit it.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --locked --release
before=$(ls benches/records/*.json)
cargo run --locked --release -- bench --networks --record benches/records
# The new record, which may have the same name as an old one.
after=$(ls -t benches/records/*.json | head -n 1)
for old in $before; do
    [ "$old" = "$after" ] || rm "$old"
done
sed -i.old "s|benches/records/[^\"]*|$after|" src/evidence/speed.rs
rm src/evidence/speed.rs.old
cargo run --locked --release -- plot
INSTA_UPDATE=always cargo test --locked -p triform-cli --test program the_claims_are_the_list
