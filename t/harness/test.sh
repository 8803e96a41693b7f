# shellcheck shell=sh
# All tests, or some, on a stack of their own: other directory, other ports.
. "$HARNESS/sample.sh"

# Run by name only: long, or wanting machines this one is not.
TEST_BY_NAME='t/soak t/bench'

test_usage()
{
    cat <<END
usage: ./smarterctl test [PATH...]

Builds, and runs all tests, or those of some files and directories of t/ (C tests by their source: t/unit/csv.c),
on a stack of their own: \$SMARTER_VAR/test, ports 1000 higher. Logs stay there until the next run. Exit status: 0,
all is well; 1, a test failed, or none could be run; 2, wrong words; 130 or 143, interrupted.

Only by name: $TEST_BY_NAME

  SMARTER_TEST_SECONDS    when tests are ended that are not through (default 1800)
END
}

run_test()
{
    for _word; do
        case $_word in
        -h | --help)
            test_usage
            return 0
            ;;
        -*)
            test_usage >&2
            return 2
            ;;
        esac
    done
    if [ -z "${SMARTER_IN_TEST-}" ]; then
        SMARTER_IN_TEST=1 SMARTER_VAR=$VAR/test SMARTER_PORT_BASE=$((SMARTER_PORT_BASE + 1000)) \
            exec "$TOP/smarterctl" test "$@" </dev/null
    fi
    unset SMARTER_IN_TEST
    cd "$TOP" || exit 1
    for _path; do
        [ -e "$_path" ] || die "there is no $_path; tests are files and directories below t/"
    done
    locked test_begin
    trap 'test_leave' EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    locked test_prepare "$@"
    test_run "$@"
}

# One run at a time: the next one takes the stack down first.
test_begin()
{
    ! _run=$(alive "$VAR/tests.pid") ||
        die "pid $_run runs tests on the stack in $VAR already: wait for it, or end it: kill $_run"
    echo "$$ $(proc_start $$)" >"$VAR/tests.pid" || die "cannot write $VAR/tests.pid"
}

# Not to be interrupted once more: nothing may be left running.
test_leave()
{
    _result=$?
    trap - EXIT
    trap '' HUP INT TERM
    [ $_result -lt 128 ] || say "Interrupted: ending tests and servers"
    locked test_end >/dev/null 2>&1
    rm -f "$VAR/tests.pid"
    exit $_result
}

test_end()
{
    end_tests
    stack_down
    sshd_clean
}

# A fresh stack; builds and keys of the last run stay.
test_prepare()
{
    test_end
    echo "$$ $(proc_start $$)" >"$VAR/tests.pid"
    if test_wants_stack "$@"; then
        # shellcheck disable=SC2086  # words
        need_ports $PARTS
    fi
    for _old in tmp arrivals work history extraction item_level raw_data pg rabbitmq idp httpd etc log run sample done/rabbitmq done/roles done/sample done/sample-settings done/sample-dropped; do
        rm -rf "${VAR:?}/$_old"
    done
    make_dirs
    echo --enable-werror >"$VAR/done/build-flags"
    install_packages stack build web test
    if [ $# -eq 0 ]; then
        test_build_sanitized
    fi
    build_programs
    build_test_programs "$SMARTER_BUILD"
    if test_wants_stack "$@"; then
        stack_up
        ! workers_ready || [ ! -x "$SMARTER_SBIN/smarter-datagen" ] || {
            sample_load 4 12 600
            sample_publish
        }
    fi
}

# The same tree with AddressSanitizer and UndefinedBehaviorSanitizer, for the C tests.
test_build_sanitized()
{
    say "Building with sanitizers (log: $VAR/log/build-asan.log)"
    build_in "$VAR/asan" "$VAR/log/build-asan.log" --enable-werror --enable-asan ||
        build_failed "$VAR/log/build-asan.log" "the build with sanitizers"
    build_test_programs "$VAR/asan"
}

build_test_programs()
{
    make -C "$1" -j"$(nproc)" test-programs >>"$VAR/log/build-tests.log" 2>&1 </dev/null ||
        build_failed "$VAR/log/build-tests.log" "building the test programs"
}

# Unit tests need no servers; everything else has them.
test_wants_stack()
{
    [ $# -gt 0 ] || return 0
    for _path; do
        case $_path in
        t/unit | t/unit/* | ./t/unit* | t/fuzz* | ./t/fuzz*) ;;
        *) return 0 ;;
        esac
    done
    return 1
}

# Who only looks comes first; the loader's tests change what others look at.
test_order() { sed 's|^t/store/|1 &|; s|^t/stack/|2 &|; s|^t/http/|3 &|; s|^t/browser/|4 &|; s|^t/|5 &|' | sort | cut -d ' ' -f 2; }

# C tests are named by their source or program, the others by their file.
test_files()
{
    if [ $# -eq 0 ]; then
        make -s -C "$TEST_BUILD" list-unit-tests | tr ' ' '\n' | sed "s|^|$TEST_BUILD/|"
        _prune=
        for _dir in $TEST_BY_NAME; do _prune="$_prune -path $_dir -o"; done
        # shellcheck disable=SC2086  # words
        find t \( $_prune -path t/harness \) -prune -o -name '*.t' -print | test_order
        return
    fi
    for _path; do
        _path=${_path#./}
        if [ -d "$_path" ] && [ "$_path" != t/unit ]; then
            find "$_path" -name '*.t' | sort
        elif [ "$_path" = t/unit ]; then
            make -s -C "$TEST_BUILD" list-unit-tests | tr ' ' '\n' | sed "s|^|$TEST_BUILD/|"
            find t/unit -name '*.t' | sort
        elif [ -x "$TEST_BUILD/${_path%.c}" ]; then
            echo "$TEST_BUILD/${_path%.c}"
        else
            echo "$_path"
        fi
    done
}

# Which of the files on standard input need no server; with -v, which do.
test_apart() { grep "$@" -E "^($TEST_BUILD/|t/unit/|t/fuzz/|t/web/logic\.t\$)"; }

# What tests see: the programs they are to try, the stack's own addresses, and nothing of the caller's locale;
# nothing is skipped, for everything is installed here.
test_env()
{
    set -a
    . "$VAR/run/env"
    SMARTER_BUILD=$TEST_BUILD
    SB_TOP=$TOP
    SMARTER_TEST_ALL=1
    SMARTER_TESTS=$VAR
    LC_ALL=C.UTF-8
    set +a
}

# test_prove NICE TEST...: becomes the run of these tests.
test_prove()
{
    _nice=$1
    shift
    test_env
    # A shell has what it runs in the background ignore interrupts.
    exec env --default-signal=INT,QUIT nice -n "$_nice" timeout -k 10 "$TEST_SECONDS" prove -It/lib --timer "$@" </dev/null
}

# test_beside TEST...: the same, after a build that some of the tests with servers want, later on.
test_beside()
{
    (test_env && exec nice -n 19 perl -It/lib -MSmarter::Sanitized -e 'Smarter::Sanitized->prepare' </dev/null) || :
    test_prove 19 "$@"
}

# test_outcome STATUS WHICH: says what a number alone does not.
test_outcome()
{
    case $1 in
    124 | 137) say "The tests $2 were not through after $TEST_SECONDS s (SMARTER_TEST_SECONDS) and were ended" ;;
    esac
    [ "$1" -eq 0 ]
}

test_run()
{
    TEST_SECONDS=${SMARTER_TEST_SECONDS:-1800}
    TEST_BUILD=$VAR/asan
    [ $# -eq 0 ] || TEST_BUILD=$SMARTER_BUILD
    _tests=$(test_files "$@")
    _beside=
    if [ $# -eq 0 ]; then
        _beside=$(echo "$_tests" | test_apart)
        _tests=$(echo "$_tests" | test_apart -v)
    fi
    [ -n "$_tests" ] || die "no tests in: $*"
    stack_env | replace "$VAR/run/env" 600 || [ -s "$VAR/run/env" ] || die "cannot write $VAR/run/env"
    # Tests of servers wait a lot; those without run meanwhile, in the time that is left over. In the background
    # both: a shell that waits hears of a signal at once.
    _log=$VAR/run/tests-apart.log # tests judge what is in log/
    _failed=0
    if [ -n "$_beside" ]; then
        say "Beside these run $(echo "$_beside" | wc -l) tests that need no servers; what they say comes last (now: $_log)"
        # shellcheck disable=SC2086  # words
        (test_beside $_beside) >"$_log" 2>&1 &
        _apart=$!
    fi
    # shellcheck disable=SC2086  # words
    (test_prove 0 $_tests) &
    wait $!
    test_outcome $? 'with servers' || _failed=1
    if [ -n "$_beside" ]; then
        ! proc_start "$_apart" >/dev/null || say "Waiting for the tests without servers"
        wait "$_apart"
        test_outcome $? 'without servers' || _failed=1
        say "Those without servers:"
        cat "$_log" || _failed=1
    fi
    [ $_failed -eq 0 ] || say "Tests failed: see above; logs of the servers are in $VAR/log"
    return $_failed
}
