# shellcheck shell=sh
# Builds the checkout out of tree and installs it below the stack's directory. Does nothing while
# no source is newer than the last build.

SOURCES='lib mod_smarter mod_hpz workers sql conf.d configure.ac Makefile.am autogen.sh web/dist'

# Has any source changed since the file was made?
newer_than()
{
    [ -f "$1" ] || return 0
    # shellcheck disable=SC2046,SC2086  # words
    [ -n "$(cd "$TOP" && find $(ls -d $SOURCES 2>/dev/null) -newer "$1" ! -name '*.swp' -print -quit)" ]
}

# build_in DIR LOG CONFIGURE-ARGS...: configure when needed, make.
build_in()
{
    _dir=$1
    _log=$2
    shift 2
    mkdir -p "$_dir"
    {
        if [ ! -x "$TOP/configure" ] || [ ! -f "$TOP/build-aux/ltmain.sh" ] || [ "$TOP/configure.ac" -nt "$TOP/configure" ] ||
            [ ! -f "$TOP/Makefile.in" ] || [ "$TOP/Makefile.am" -nt "$TOP/Makefile.in" ]; then
            (cd "$TOP" && ./autogen.sh) || return 1
        fi
        if [ ! -f "$_dir/Makefile" ] || [ "$(cat "$_dir/.configured" 2>/dev/null)" != "$*" ] ||
            [ "$TOP/configure" -nt "$_dir/Makefile" ]; then
            (cd "$_dir" && "$TOP/configure" "$@") && echo "$*" >"$_dir/.configured" || return 1
        fi
        make -C "$_dir" -j"$(nproc)" || return 1
    } >>"$_log" 2>&1 </dev/null
}

build_failed()
{
    grep -n -m 5 -A 3 -E 'error:|Error [0-9]|\*\*\*' "$1" >&2 || tail -n 20 "$1" >&2
    die "$2 failed; all of it is in $1"
}

build_programs()
{
    make_dirs
    if [ "$SMARTER_INST" != "$VAR/inst" ]; then
        [ -d "$SMARTER_SBIN" ] || die "SMARTER_INST=$SMARTER_INST holds no sbin directory: install there (make install), or unset it to let smarterctl build"
        return 0
    fi
    build_web
    newer_than "$VAR/done/build" || return 0
    say "Building (log: $VAR/log/build.log)"
    : >"$VAR/done/build.new"
    : >"$VAR/log/build.log"
    # shellcheck disable=SC2046  # words; tests ask for stricter flags
    build_in "$SMARTER_BUILD" "$VAR/log/build.log" --prefix="$SMARTER_INST" $(cat "$VAR/done/build-flags" 2>/dev/null) ||
        build_failed "$VAR/log/build.log" "the build"
    make -C "$SMARTER_BUILD" install >>"$VAR/log/build.log" 2>&1 ||
        build_failed "$VAR/log/build.log" "make install"
    mv "$VAR/done/build.new" "$VAR/done/build"
    servers_stale
}

# The pages. npm ci only when the lock file changed.
build_web()
{
    [ -f "$TOP/web/package.json" ] || return 0
    _log=$VAR/log/web.log
    if [ ! -d "$TOP/web/node_modules" ] || [ "$TOP/web/package-lock.json" -nt "$TOP/web/node_modules/.installed" ]; then
        say "Fetching what the web pages are built with (log: $_log)"
        (cd "$TOP/web" && npm ci --no-audit --no-fund && : >node_modules/.installed) >"$_log" 2>&1 </dev/null ||
            build_failed "$_log" "npm ci in web/"
    fi
    if [ ! -f "$TOP/web/dist/.built" ] ||
        [ -n "$(find "$TOP/web" \( -name node_modules -o -name dist \) -prune -o -type f -newer "$TOP/web/dist/.built" -print -quit)" ]; then
        say "Building the web pages (log: $_log)"
        (cd "$TOP/web" && npm run build && : >dist/.built) >>"$_log" 2>&1 </dev/null ||
            build_failed "$_log" "npm run build in web/"
    fi
}
