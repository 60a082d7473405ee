#!/usr/bin/env bash
# Measures a realm of three processes on this machine with farhold bench: the
# workloads of BENCHMARKS.md, the trivial handler and the disk beside them, and
# replication with an outage. DURATION (10s) is that of each workload; reports
# go to RESULTS (bench-results) as JSON.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
farhold=$PWD/bin/farhold
DURATION=${DURATION:-10s}
RESULTS=${RESULTS:-bench-results}
OUTAGE=${OUTAGE:-60s}
dir=$(mktemp -d "${BENCHDIR:-$PWD}/.bench.XXXXXX")
mkdir -p "$RESULTS"
pids=()
cleanup() {
	for p in "${pids[@]}"; do kill -TERM "$p" 2>/dev/null || true; done
	for p in "${pids[@]}"; do wait "$p" 2>/dev/null || true; done
	rm -rf "$dir"
}
trap cleanup EXIT

export FARHOLD_ROOT_ACCESS_KEY=AKIABENCHMARKBENCHMA FARHOLD_ROOT_SECRET_KEY=benchmarkbenchmarkbenchmarkbenchmark1234
export AWS_ACCESS_KEY_ID=$FARHOLD_ROOT_ACCESS_KEY AWS_SECRET_ACCESS_KEY=$FARHOLD_ROOT_SECRET_KEY AWS_REGION=us-east-1
"$farhold" realm init "$dir/realm" --home us-east-1 --regions us-west-2,eu-west-1 --listen 127.0.0.1:19600 --peer 127.0.0.1:19700 >/dev/null
for region in us-east-1 us-west-2 eu-west-1; do
	"$farhold" serve --config "$dir/realm/$region/farhold.yaml" --log-level warn &
	pids+=($!)
done
source_pid=${pids[0]}
peer_pid=${pids[1]}
export AWS_ENDPOINT_URL=http://127.0.0.1:19600
ready() {
	local status=
	for _ in $(seq 600); do
		if exec 3<>"/dev/tcp/127.0.0.1/$1"; then
			printf 'GET /-/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
			read -r status <&3 || true
			exec 3>&-
			case $status in *" 200 "*) return ;; esac
		fi
		sleep 0.05
	done 2>/dev/null
	echo "no region at port $1: $status" >&2
	return 1
}
for port in 19600 19601 19602; do ready $port; done

run() {
	local name=$1
	shift
	echo
	echo "== $name: farhold bench $*"
	"$farhold" bench "$@" --json "$RESULTS/$name.json"
}
load() {
	local name=$1
	shift
	run "$name" "$@" --duration "$DURATION" --server-pid "$source_pid"
}
run disk disk
run handler handler
load put-4k put --size 4KiB --clients 32 --versioned
load get-4k get --size 4KiB --clients 32 --versioned
load put-1m put --size 1MiB --clients 8 --versioned
load get-64m get --size 64MiB --clients 8 --versioned
load list list --clients 8
load mixed mixed --clients 32 --versioned
run replication replication --setup --dest-endpoint http://127.0.0.1:19601 --dest-region us-west-2 --server-pid "$source_pid" \
	--phases lag,drain,outage --outage-time "$OUTAGE" --peer-pid "$peer_pid" \
	--peer-restart "$farhold serve --config $dir/realm/us-west-2/farhold.yaml --log-level warn"
# The region that was restarted is nobody's child here: its lock file names it.
read -r peer_pid <"$dir/realm/us-west-2/data/lock" && pids+=("$peer_pid")
