# shellcheck shell=sh
# Benchmarks: programs of t/bench, run one after the other against the running stack. Each prints one
# JSON line; a limit that fell 20 % below the best one recorded on this machine is pointed out, since
# then the machine was busy and the ratio flatters us.

bench_usage()
{
    cat <<END
usage: ./smarterctl bench [NAME...]

Runs benchmarks against the stack, which is started if it does not run, one after the other. Each prints a line
of JSON. A name means the benchmark of that name, else all that begin so; without a name all run but those
"by name only". docs/benchmarks.md has the goals, and what was measured; the first comment of t/bench/NAME tells the rest.

END
    for _bench in "$TOP"/t/bench/*; do
        [ -f "$_bench" ] && [ -x "$_bench" ] || continue
        awk -v name="${_bench##*/}" '
            NR == 1 { next }
            /^# / { text = text substr($0, 2); next }
            { exit }
            END {
                long = text ~ /By name only/ ? " (by name only)" : ""
                sub("^ " name ": ", " ", text)
                text = substr(text, 1, match(text " ", /[^.][.;:] /))
                while (length(text) > 92 && match(text, /, [^,]*$/)) text = substr(text, 1, RSTART - 1)
                printf "  %-20s %s%s\n", name, substr(text, 2), long
            }' "$_bench"
    done
}

# Is there one of this name? Asked first: starting the stack takes its time.
bench_named()
{
    for _bench in "$TOP/t/bench/$1"*; do
        [ ! -f "$_bench" ] || [ ! -x "$_bench" ] || return 0
    done
    return 1
}

run_bench()
{
    for _name; do
        case $_name in
        -h | --help)
            bench_usage
            return 0
            ;;
        -*)
            bench_usage >&2
            return 2
            ;;
        esac
        bench_named "$_name" || {
            bench_usage >&2
            die "no benchmark is named '$_name', or begins so"
        }
    done
    _record=$TOP/var/bench-limits
    locked bench_stack
    [ $# -gt 0 ] || set -- ''
    stack_env | replace "$VAR/run/env" 600 || :
    _failed=0
    for _name; do
        for _bench in "$TOP/t/bench/$_name"*; do
            [ -f "$_bench" ] && [ -x "$_bench" ] && bench_is_meant "$_bench" "$_name" || continue
            _line=$(
                set -a
                . "$VAR/run/env"
                set +a
                cd "$TOP" && exec "$_bench" </dev/null
            ) || {
                say "$(basename "$_bench") failed (status $?)"
                _failed=1
                continue
            }
            printf '%s\n' "$_line"
            printf '%s\n' "$_line" | bench_compare
        done
    done
    return $_failed
}

# A name means the program of that name, else all that begin so; no name means all but the long ones.
bench_is_meant()
{
    if [ -z "$2" ]; then
        ! grep -q 'By name only' "$1"
    else
        [ ! -x "$TOP/t/bench/$2" ] || [ "$1" = "$TOP/t/bench/$2" ]
    fi
}

bench_stack()
{
    make_dirs
    install_packages bench
    stack_up
}

# The best limit seen per benchmark, kept across runs.
bench_compare()
{
    mkdir -p "$(dirname "$_record")"
    while read -r _json; do
        _id=$(printf '%s' "$_json" | sed -n 's/.*"bench": *"\([^"]*\)".*/\1/p')
        _limit=$(printf '%s' "$_json" | sed -n 's/.*"limit": *\([0-9.eE+-]*\).*/\1/p')
        [ -n "$_id" ] && [ -n "$_limit" ] || continue
        _best=$(awk -v id="$_id" '$1 == id { print $2 }' "$_record" 2>/dev/null)
        if awk -v now="$_limit" -v best="${_best:-0}" 'BEGIN { exit !(now < best * 0.8) }'; then
            say "note: the limit of $_id is $_limit, more than 20 % below the $_best recorded on this machine: it is busy, measure again"
        fi
        if awk -v now="$_limit" -v best="${_best:-0}" 'BEGIN { exit !(now > best) }'; then
            { grep -v "^$_id " "$_record" 2>/dev/null; echo "$_id $_limit"; } >"$_record.new"
            mv "$_record.new" "$_record"
        fi
    done
}
