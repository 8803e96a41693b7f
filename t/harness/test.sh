# shellcheck shell=sh
# All tests, or some, on a stack of their own: other directory, other ports.
. "$HARNESS/sample.sh"

# Run by name only: long, or wanting machines this one is not.
TEST_BY_NAME='t/cluster t/soak t/bench'

run_test()
{
    if [ -z "${SMARTER_IN_TEST-}" ]; then
        SMARTER_IN_TEST=1 SMARTER_VAR=$VAR/test SMARTER_PORT_BASE=$((SMARTER_PORT_BASE + 1000)) \
            exec "$TOP/smarterctl" test "$@" </dev/null
    fi
    unset SMARTER_IN_TEST
    cd "$TOP" || exit 1
    for _path; do
        [ -e "$_path" ] || die "there is no $_path; tests are files and directories below t/"
    done
    trap 'test_leave' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    locked test_prepare "$@"
    test_run "$@"
}

test_leave()
{
    _left=$? # of its own name: what is called next uses _status
    trap - EXIT
    locked test_end >/dev/null 2>&1
    exit $_left
}

test_end()
{
    stack_down
    sshd_clean
}

# A fresh stack; builds and keys of the last run stay.
test_prepare()
{
    test_end
    for _old in arrivals work history extraction item_level raw_data pg rabbitmq idp httpd etc log run sample done/rabbitmq done/roles done/sample done/sample-settings done/sample-dropped; do
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

# Which of the files on standard input need no server.
test_apart() { grep -E "^($TEST_BUILD/|t/unit/|t/fuzz/|t/web/logic\.t\$)"; }

# test_prove FILE [NICE]: becomes the run of the tests listed there. For where their environment is set.
test_prove()
{
    # shellcheck disable=SC2046  # one word a test
    exec nice -n "${2:-0}" timeout -k 10 "${SMARTER_TEST_SECONDS:-1500}" prove -It/lib --timer $(cat "$1") </dev/null
}

test_run()
{
    TEST_BUILD=$VAR/asan
    [ $# -eq 0 ] || TEST_BUILD=$SMARTER_BUILD
    test_files "$@" >"$VAR/run/tests"
    [ -s "$VAR/run/tests" ] || die "no tests in: $*"
    : >"$VAR/run/tests-apart"
    if [ $# -eq 0 ]; then
        test_apart <"$VAR/run/tests" >"$VAR/run/tests-apart"
        grep -Fxv -f "$VAR/run/tests-apart" "$VAR/run/tests" | replace "$VAR/run/tests" 644
    fi
    stack_env | replace "$VAR/run/env" 600 || :
    # Sanitized programs of the C tests, the stack's own addresses, and nothing of the caller's locale.
    (
        set -a
        . "$VAR/run/env"
        SMARTER_BUILD=$TEST_BUILD
        SB_TOP=$TOP
        # Everything is installed here: what would be skipped elsewhere fails.
        SMARTER_TEST_ALL=1
        LC_ALL=C.UTF-8
        set +a
        [ -s "$VAR/run/tests-apart" ] || test_prove "$VAR/run/tests"
        # Tests of servers wait a lot; those without run meanwhile, in the time that is left over.
        (test_prove "$VAR/run/tests-apart" 19) >"$VAR/log/tests-apart.log" 2>&1 &
        _apart=$!
        trap 'kill $_apart 2>/dev/null' EXIT
        trap 'exit 130' INT
        trap 'exit 143' TERM
        (test_prove "$VAR/run/tests")
        _with=$?
        wait "$_apart"
        _without=$?
        trap - EXIT
        say "Those without servers:"
        cat "$VAR/log/tests-apart.log"
        [ $_with -eq 0 ] && [ $_without -eq 0 ]
    )
}
