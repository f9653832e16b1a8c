#!/usr/bin/env bash
# Runs every fuzz target of the module for the time given, one after another:
# `go test -fuzz` takes a single target at a time.
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:-20s}
found=0
while IFS=: read -r file target; do
	found=$((found + 1))
	echo "== $(dirname "$file") $target"
	go test "./$(dirname "$file")" -run '^$' -fuzz "^${target}\$" -fuzztime "$time"
done < <(grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' . | sed -e 's#^\./##' -e 's/func //')
echo "$found fuzz targets"
[ "$found" -gt 0 ]
