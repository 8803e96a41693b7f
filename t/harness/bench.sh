# shellcheck shell=sh
# Benchmarks: programs of t/bench, run one after the other against the running stack. Each prints one
# JSON line; a limit that fell 20 % below the best one recorded on this machine is pointed out, since
# then the machine was busy and the ratio flatters us.

run_bench()
{
    _record=$TOP/var/bench-limits
    locked bench_stack
    [ $# -gt 0 ] || set -- ''
    stack_env | replace "$VAR/run/env" 600 || :
    _found=
    _failed=0
    for _name; do
        for _bench in "$TOP/t/bench/$_name"*; do
            [ -f "$_bench" ] && [ -x "$_bench" ] && bench_is_meant "$_bench" "$_name" || continue
            _found=1
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
    [ -n "$_found" ] || die "no benchmark named '$*' in t/bench"
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
