#!/usr/bin/env bash
# Fuzzes every target for FUZZTIME (10s unless set). FUZZJOBS (half the
# processors unless set) targets run side by side, on two processors each.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
GO=${GO:-go}
FUZZTIME=${FUZZTIME:-10s}
cores=$(getconf _NPROCESSORS_ONLN)
FUZZJOBS=${FUZZJOBS:-$(( cores > 3 ? cores / 2 : 1 ))}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

targets=$(grep -rhoE --include='*_test.go' --exclude-dir=.git -H '^func Fuzz[A-Za-z0-9_]*' . |
	sed -E 's|^(.*)/[^/]*:func (Fuzz.*)$|\1 \2|' | sort -u)
[ -n "$targets" ] || { echo "there are no fuzz targets"; exit 1; }

# A fuzz run that ends just when a worker is busy may say "context deadline
# exceeded" although no input failed. That is no finding: it runs again. A
# finding names the input that it wrote.
one() {
	local pkg=$1 target=$2 log="$out/${1//\//_}.$2" try
	for try in 1 2 3; do
		if "$GO" test -run '^$' -fuzz "^$target\$" -fuzztime "$FUZZTIME" -fuzzminimizetime 1s -parallel 2 "$pkg" >"$log" 2>&1; then
			echo "fuzz  $pkg $target  $(grep -oE 'execs: [0-9]+' "$log" | tail -1)"
			return 0
		fi
		if ! grep -q '^    context deadline exceeded$' "$log" || grep -q 'Failing input written' "$log"; then
			break
		fi
	done
	echo "fuzz  $pkg $target  FAILED"
	cat "$log"
	return 1
}
export -f one
export GO FUZZTIME out
echo "$targets" | xargs -P "$FUZZJOBS" -L 1 bash -c 'one "$@"' fuzz
