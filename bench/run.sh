#!/bin/sh
# Measures every figure of BENCHMARKS.md on this machine and prints the table:
#
#   make build && bench/run.sh
#
# A realm of two regions runs as two processes on loopback, on the disk that
# BENCH_DIR is on; reports stay in BENCH_OUT. Processes are ended by the IDs
# they were started with. The whole takes about 20 minutes, most of it filling;
# BENCH_QUICK=1 fills a tenth and takes three.
#
#   FARHOLD=bin/farhold     the binary
#   BENCH_DIR=.             where data goes, in a folder that is removed
#   BENCH_OUT=bench-out     where reports and logs go
#   BENCH_PORT=19400        first of four ports in a row
#   MINIO=/path/to/minio    measured beside, on a fifth port, if given
set -eu

farhold=${FARHOLD:-bin/farhold}
out=${BENCH_OUT:-bench-out}
port=${BENCH_PORT:-19400}
duration=10s objects=100000 large=1000000 markers=100000 deep=1000 drain=20000 outage=60s bytes=2GiB
if [ -n "${BENCH_QUICK:-}" ]; then
	duration=4s objects=20000 large=100000 markers=10000 deep=100 drain=5000 outage=10s bytes=512MiB
fi
[ -x "$farhold" ] || { echo "run.sh: $farhold is not there; make build, or set FARHOLD" >&2; exit 1; }
farhold=$(cd "$(dirname "$farhold")" && pwd)/$(basename "$farhold")
mkdir -p "$out"
out=$(cd "$out" && pwd)
rm -f "$out"/*.json
dir=$(mktemp -d "$(cd "${BENCH_DIR:-.}" && pwd)/farhold-bench.XXXXXX")
east= west= minio=

# end stops a process that this script started and waits until it has gone.
end() {
	[ -n "$1" ] || return 0
	kill -TERM "$1" 2>/dev/null || return 0
	wait "$1" 2>/dev/null || true
}
finish() {
	trap - EXIT INT TERM
	end "$east"
	end "$west"
	end "$minio"
	rm -rf "$dir"
}
trap finish EXIT
trap 'exit 1' INT TERM

say() { printf '\n== %s\n' "$*" >&2; }

# ready waits up to a minute for a URL: a head of any bucket is enough.
ready() {
	for _ in $(seq 600); do
		if "$farhold" bench head --endpoint "$1" --objects 1 --clients 1 --size 0 --duration 10ms --warmup 0s \
			--prefix ready/ --bucket ready-"$2" >/dev/null 2>&1; then return 0; fi
		sleep 0.1
	done
	echo "run.sh: $1 is not ready" >&2
	exit 1
}

# suite measures one server: name, endpoint, process.
suite() {
	name=$1
	to="--endpoint $2 --server-pid $3 --versioned --duration $duration"
	say "$name: PUT and GET of 4 KiB"
	"$farhold" bench put $to --size 4KiB --clients 32 --bucket bench-small --json "$out/$name-put-4k.json"
	"$farhold" bench get $to --size 4KiB --clients 32 --bucket bench-small --json "$out/$name-get-4k.json"
	"$farhold" bench head $to --size 4KiB --clients 32 --bucket bench-small --prepared --json "$out/$name-head-4k.json"
	"$farhold" bench mixed $to --size 4KiB --clients 32 --bucket bench-small --prepared --json "$out/$name-mixed-4k.json"
	"$farhold" bench delete --endpoint "$2" --server-pid "$3" --versioned --size 4KiB --clients 32 --bucket bench-small --prepared --json "$out/$name-delete-4k.json"
	say "$name: PUT of 1 MiB, GET of 64 MiB"
	"$farhold" bench put $to --size 1MiB --clients 8 --bucket bench-large --prefix put/ --cleanup --json "$out/$name-put-1m.json"
	"$farhold" bench get $to --size 64MiB --clients 8 --bucket bench-large --prefix get/ --cleanup --json "$out/$name-get-64m.json"
	say "$name: LIST of $objects keys"
	"$farhold" bench list $to --shape flat --objects $objects --clients 8 --bucket bench-list --json "$out/$name-list-flat.json"
}

say "realm of two regions in $dir"
FARHOLD_ROOT_ACCESS_KEY=FARHOLDBENCH00000000 FARHOLD_ROOT_SECRET_KEY=$(od -An -tx1 -N20 /dev/urandom | tr -d ' \n')
export FARHOLD_ROOT_ACCESS_KEY FARHOLD_ROOT_SECRET_KEY
export AWS_ACCESS_KEY_ID=$FARHOLD_ROOT_ACCESS_KEY AWS_SECRET_ACCESS_KEY=$FARHOLD_ROOT_SECRET_KEY
unset AWS_SESSION_TOKEN AWS_CA_BUNDLE AWS_REGION AWS_DEFAULT_REGION AWS_ENDPOINT_URL AWS_ENDPOINT_URL_S3
"$farhold" realm init "$dir/realm" --regions us-west-2 --listen "127.0.0.1:$port" --peer "127.0.0.1:$((port + 2))" >/dev/null
source_url=http://127.0.0.1:$port
copy_url=http://127.0.0.1:$((port + 1))
"$farhold" serve --config "$dir/realm/us-east-1/farhold.yaml" 2>"$out/us-east-1.log" &
east=$!
"$farhold" serve --config "$dir/realm/us-west-2/farhold.yaml" 2>"$out/us-west-2.log" &
west=$!
ready "$source_url" east

say "what the machine can do"
"$farhold" bench disk --dir "$dir" --bytes $bytes --json "$out/disk.json"
for op in put get; do
	"$farhold" bench handler --op $op --size 4KiB --clients 32 --duration $duration --json "$out/handlers.json"
	# The handler's reports are a list; each figure is read by its own name.
	sed -e '1d' -e '$d' "$out/handlers.json" >"$out/handler-$op-4k.json"
	"$farhold" bench handler --net-http --op $op --size 4KiB --clients 32 --duration $duration --json "$out/handlers.json"
	sed -e '1d' -e '$d' "$out/handlers.json" >"$out/handler-$op-4k-net-http.json"
done
"$farhold" bench handler --op get --size 64MiB --clients 8 --duration $duration --json "$out/handlers.json"
sed -e '1d' -e '$d' "$out/handlers.json" >"$out/handler-get-64m.json"
rm "$out/handlers.json"

suite farhold "$source_url" "$east"

to="--endpoint $source_url --server-pid $east --versioned --duration $duration --bucket bench-list"
say "farhold: LIST with a delimiter over a prefix of $large keys"
"$farhold" bench list $to --shape delimiter --objects $large --clients 1 --size 0 --json "$out/farhold-list-delimiter.json"
"$farhold" bench list $to --shape delimiter --objects $large --clients 8 --prepared --json "$out/farhold-list-delimiter-8.json"
say "farhold: LIST past $markers delete-marked keys"
"$farhold" bench list $to --shape markers --objects $markers --clients 1 --size 0 --json "$out/farhold-list-markers.json"
"$farhold" bench list $to --shape markers --objects $markers --clients 8 --prepared --json "$out/farhold-list-markers-8.json"
say "farhold: LIST of $deep keys of 1,000 versions"
"$farhold" bench list $to --shape deep --objects $deep --clients 1 --size 0 --json "$out/farhold-list-deep.json"
"$farhold" bench list $to --shape deep --objects $deep --clients 8 --prepared --json "$out/farhold-list-deep-8.json"
"$farhold" bench list $to --shape deep --objects $deep --clients 1 --prepared --versions --json "$out/farhold-list-deep-versions.json"

say "replication: lag, probes, drain of $drain objects"
pair="--source-endpoint $source_url --dest-endpoint $copy_url --setup"
"$farhold" bench replication $pair --phases lag,probe,drain --drain-objects $drain \
	--server-pid "$east" --server-pid "$west" --json "$out/farhold-replication.json"
say "replication: the peer is killed for $outage"
end "$west"
west=
"$farhold" bench replication $pair --phases outage --outage-objects 5000 --outage-time $outage \
	--peer-command "'$farhold' serve --config '$dir/realm/us-west-2/farhold.yaml'" --peer-log "$out/us-west-2.log" --json "$out/farhold-outage.json"

if [ -n "${MINIO:-}" ]; then
	end "$east"
	east=
	say "MinIO"
	MINIO_ROOT_USER=$AWS_ACCESS_KEY_ID MINIO_ROOT_PASSWORD=$AWS_SECRET_ACCESS_KEY \
		"$MINIO" server --quiet --address "127.0.0.1:$((port + 4))" --console-address "127.0.0.1:$((port + 5))" "$dir/minio" >"$out/minio.log" 2>&1 &
	minio=$!
	ready "http://127.0.0.1:$((port + 4))" minio
	suite minio "http://127.0.0.1:$((port + 4))" "$minio"
fi

say "figures"
(cd "$(dirname "$0")/.." && go run ./bench/figures "$out")
