# shellcheck shell=sh
# The demonstration: everything from nothing to a state one can look at.
. "$HARNESS/sample.sh"

run_demo()
{
    _began=$(now)
    locked demo_steps
    cat <<END

Smarter Reporting is running:

  $SMARTER_URL/

  sign in as   user         password         sees
END
    for _kind in state district school; do
        idp_users | tr ' ' '\n' | awk -F : -v kind=$_kind \
            '$3 == kind { printf "               %-12s %-16s the %s\n", $1, $2, kind == "state" ? "whole state" : kind == "district" ? "students of one district" : "students of one school" }'
    done
    cat <<END

  for anybody, without signing in:

  $SMARTER_URL/public/$(demo_sid)

$(demo_sftp)

The certificate is signed by a private authority, $SMARTER_CA: let your browser trust it,
or go past its warning. Stop with ./smarterctl down; go on later with ./smarterctl demo.
END
    say "($(($(now) - _began)) s)"
}

# What stands for the state in public addresses.
demo_sid()
{
    # shellcheck disable=SC2046  # $(as) is several words
    clean_env $(as "$USER_LOADER") env SMARTER_INI="$SMARTER_INI" "$SMARTER_SBIN/smarter-public-copy" --sid -t "$SMARTER_TENANT"
}

# How a state sends a package, where there is a landing zone.
demo_sftp()
{
    ! is_root || cat <<END
Send a package as a state does (docs/operations.md says how one is made):

  sftp -P $PORT_SSH -i $VAR/keys/lz/sender -o UserKnownHostsFile=$VAR/keys/lz/known_hosts $LZ_USER@localhost
  sftp> put mine.tar.gz.gpg file_drop/

END
}

demo_steps()
{
    stack_up
    : "${SMARTER_SAMPLE_KINDS:=summative,registration}"
    # shellcheck disable=SC2086  # three words: districts, schools, students a year
    sample_load ${SMARTER_DEMO_SIZE:-12 60 20000}
    sample_publish
}
