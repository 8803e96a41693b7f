# shellcheck shell=sh
# A sample state through the front door: generated as signed and encrypted packages, put into the
# arrivals directory, awaited until promoted. Each step leaves its mark, so that a call after an
# interruption goes on where the last one ended.

pg_owner()
{
    pg_bin
    PGPASSWORD=$PW_OWNER PGCONNECT_TIMEOUT=5 "$PG_BIN/psql" -XqAt -v ON_ERROR_STOP=1 \
        -h 127.0.0.1 -p "$PORT_PG" -U smarter_owner -d smarter "$@"
}

# sample_load DISTRICTS SCHOOLS STUDENTS: all steps. SMARTER_SAMPLE_KINDS: of which kinds, as smarter-datagen --kinds
# takes them; summative results, if not set.
sample_load()
{
    [ ! -f "$VAR/done/sample" ] || return 0
    _size="$1 $2 $3"
    [ -x "$SMARTER_SBIN/smarter-datagen" ] || die "there is no $SMARTER_SBIN/smarter-datagen to make a sample state with"
    set -- --state "$SMARTER_STATE" --districts "$1" --schools "$2" --students "$3" --years 2015,2016 --seed 1 \
        --kinds "${SMARTER_SAMPLE_KINDS:-summative}"
    sample_settings "$@"
    sample_generate "$@"
    sample_drop
    sample_wait
    echo "$_size" >"$VAR/done/sample"
}

# What a state decides for itself: colours of the levels, smallest group shown.
sample_settings()
{
    [ ! -f "$VAR/done/sample-settings" ] || return 0
    _json=$("$SMARTER_SBIN/smarter-datagen" "$@" --metadata) || die "smarter-datagen --metadata failed"
    echo "INSERT INTO $SMARTER_SCHEMA.custom_metadata (state_code, asmt_custom_metadata) VALUES ('$SMARTER_STATE', :'json')
        ON CONFLICT (state_code) DO UPDATE SET asmt_custom_metadata = EXCLUDED.asmt_custom_metadata" |
        pg_owner -v json="$_json" || die "could not store the settings of $SMARTER_STATE"
    : >"$VAR/done/sample-settings"
}

sample_generate()
{
    [ ! -d "$VAR/sample" ] || return 0
    say "Generating the sample state"
    rm -rf "$VAR/sample.new"
    mkdir "$VAR/sample.new"
    own "$USER_LOADER" "$VAR/sample.new"
    # shellcheck disable=SC2046  # $(as) is several words
    clean_env $(as "$USER_LOADER") env SMARTER_INI="$SMARTER_INI" SMARTER_GPG_SENDER_HOME="$VAR/keys/sender-nc" \
        SMARTER_GPG_RECIPIENT="$FPR_LOADER" "$SMARTER_SBIN/smarter-datagen" "$@" --pack --out "$VAR/sample.new" \
        >"$VAR/log/datagen.log" 2>&1 || {
        tail -n 20 "$VAR/log/datagen.log" >&2
        die "generating the sample state failed; all of it is in $VAR/log/datagen.log"
    }
    mv "$VAR/sample.new" "$VAR/sample"
}

# What anybody may see of it.
sample_publish()
{
    # shellcheck disable=SC2046  # $(as) is several words
    clean_env $(as "$USER_LOADER") env SMARTER_INI="$SMARTER_INI" "$SMARTER_SBIN/smarter-public-copy" --once -t "$SMARTER_TENANT" \
        >>"$VAR/log/public-copy.log" 2>&1 || {
        tail -n 5 "$VAR/log/public-copy.log" >&2
        die "making the public copy failed; all of it is in $VAR/log/public-copy.log"
    }
}

sample_packages() { (cd "$VAR/sample" && find . -name '*.gpg' | sed 's|.*/||' | sort); }

# A package the loader has seen already is not put there again.
sample_drop()
{
    [ ! -f "$VAR/done/sample-dropped" ] || return 0
    _dir=$SMARTER_ARRIVALS/$SMARTER_TENANT
    sample_packages | while read -r _package; do
        [ ! -e "$_dir/$_package" ] || continue
        [ -z "$(pg_owner -c "SELECT 1 FROM udl2.package WHERE path LIKE '%/$_package' LIMIT 1")" ] || continue
        cp "$(find "$VAR/sample" -name "$_package")" "$_dir/.$_package.part" || exit 1
        own "$USER_LOADER" "$_dir/.$_package.part"
        mv "$_dir/.$_package.part" "$_dir/$_package" || exit 1
    done || die "could not put the packages into $_dir"
    : >"$VAR/done/sample-dropped"
}

# name|percent|trouble of each package the loader knows: arrived 5, taken up 15, loaded 60, promoted 100
sample_state()
{
    pg_owner -F '|' -c "
        SELECT DISTINCT ON (p.path) regexp_replace(p.path, '.*/', ''),
               CASE WHEN s.load_status = 'migrate.ingested' THEN 100
                    WHEN s.load_status = 'migrate.in_process' THEN 80
                    WHEN s.load_status = 'udl.ingested' THEN 60
                    WHEN p.state = 'running' THEN 15 ELSE 5 END,
               CASE WHEN p.state = 'failed' OR s.load_status LIKE '%.failed'
                    THEN coalesce(p.error, s.notification, s.load_status) END
          FROM udl2.package p LEFT JOIN edware_stats.udl_stats s USING (batch_guid)
         ORDER BY p.path, p.package_id DESC"
}

sample_wait()
{
    _count=$(sample_packages | wc -l)
    _shown=
    _since=$(now)
    while :; do
        _state=$(sample_state) || die "the database does not answer: see ./smarterctl status"
        _trouble=$(printf '%s\n' "$_state" | awk -F '|' '$3 != "" { print "  " $1 ": " $3 }')
        [ -z "$_trouble" ] || die "loading the sample state failed:
$_trouble
See ./smarterctl logs worker, and the tables udl2.package and udl2.rejected_row."
        _percent=$(printf '%s\n' "$_state" | awk -F '|' -v n="$_count" '{ sum += $2 } END { printf "%d", sum / n }')
        if [ "$_percent" != "$_shown" ]; then
            sample_progress "$_percent"
            _shown=$_percent
            _since=$(now)
        fi
        [ "$_percent" -lt 100 ] || break
        [ $(($(now) - _since)) -lt 300 ] ||
            die "loading stands still at $_percent % for five minutes: see ./smarterctl status and ./smarterctl logs"
        for _worker in $(workers_processes); do
            running "$_worker" >/dev/null || die "$_worker is not running any more: ./smarterctl up starts it, ./smarterctl logs $_worker tells why"
        done
        sleep 0.3
    done
    [ ! -t 2 ] || printf '\n' >&2
}

sample_progress()
{
    if [ -t 2 ]; then
        printf '\rLoading the sample state  [%-40s] %3d %%' "$(printf '%*s' $(($1 * 40 / 100)) '' | tr ' ' '#')" "$1" >&2
    else
        say "Loading the sample state: $1 %"
    fi
}
