#!/usr/bin/env bash
# fuzz.sh TIME PACKAGE... runs every fuzz target of the packages for TIME each.
set -u
time=$1
shift
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for package in "$@"; do
	for target in $(go test -list '^Fuzz' "$package" | grep '^Fuzz'); do
		echo "$package $target"
		go test -run "^$" -fuzz "^$target\$" -fuzztime "$time" "$package" 2>&1 | tee "$log"
		[ "${PIPESTATUS[0]}" = 0 ] && continue
		# When time is up while a worker is busy, go test says only this, and calls it a failure.
		if grep -q 'context deadline exceeded' "$log" && ! grep -q 'Failing input' "$log"; then
			continue
		fi
		exit 1
	done
done
