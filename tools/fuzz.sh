#!/bin/sh
# Runs every fuzz target of the module for the given time each.
set -eu
time=${1:-5s}
grep -rlE '^func Fuzz[A-Z]' --include='*_test.go' . | grep -v -e '^./bench/' -e '^./tools/' | sort | while read -r file; do
	dir=$(dirname "$file")
	grep -oE '^func Fuzz[A-Za-z0-9_]+' "$file" | sed 's/func //' | while read -r target; do
		echo "fuzz $dir $target"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -parallel 2 "$dir"
	done
done
