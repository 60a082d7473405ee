# What the shell walks share; they source it. A failure names the walk by its
# file.
aws=${AWS:-aws}
fail() { echo "$(basename "$0" .sh): $*" >&2; exit 1; }
same() { [ "$2" = "$3" ] || fail "$1: $2, want $3"; }
# refused CODE COMMAND…: the command must fail with that code.
refused() {
	local code=$1 out
	shift
	if out=$("$@" 2>&1); then fail "$* was allowed"; fi
	case $out in *"$code"*) ;; *) fail "$*: $out, want $code" ;; esac
}
