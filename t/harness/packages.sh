# shellcheck shell=sh
# Installs the Debian packages a command needs, only when something is missing.

# packages_missing GROUP...: names not installed
packages_missing()
{
    for _group; do
        sed -n "s/^$_group //p" "$HARNESS/packages"
    done | while read -r _line; do
        case $_line in
        if-missing\ *)
            # shellcheck disable=SC2086  # words
            set -- $_line
            ! command -v "$2" >/dev/null || continue
            shift 2
            echo "$@"
            ;;
        *) echo "$_line" ;;
        esac
    done | tr ' ' '\n' | sort -u >"$VAR/run/packages.$$"
    # shellcheck disable=SC2046  # one word a package
    dpkg-query -W -f '${db:Status-Status} ${Package}\n' $(cat "$VAR/run/packages.$$") 2>/dev/null |
        sed -n 's/^installed //p' | sort -u | comm -23 "$VAR/run/packages.$$" -
    rm -f "$VAR/run/packages.$$"
}

install_packages()
{
    command -v dpkg-query >/dev/null || {
        say "No dpkg here: I trust that the packages of t/harness/packages are installed."
        return 0
    }
    mkdir -p "$VAR/run" "$VAR/log"
    missing=$(packages_missing "$@" | tr '\n' ' ')
    missing=${missing% }
    [ -n "$missing" ] || return 0
    is_root || die "these Debian packages are missing: $missing
Run this once:  sudo apt-get install --no-install-recommends $missing"
    say "Installing packages: $missing"
    # shellcheck disable=SC2086  # words
    apt_install $missing || {
        tail -n 20 "$VAR/log/packages.log" >&2
        die "installing packages failed; all of it is in $VAR/log/packages.log. Is the package mirror reachable? Run the same command again when it is."
    }
}

# Package scripts must not start their servers: ours are private. A policy that is there stays.
apt_install()
(
    exec </dev/null >>"$VAR/log/packages.log" 2>&1
    export DEBIAN_FRONTEND=noninteractive
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
        trap 'exit 130' INT
        trap 'exit 143' TERM
        printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
        chmod 755 /usr/sbin/policy-rc.d
    fi
    # Nor may the machine get an sshd of its own by this: Debian's way to say so.
    case " $* " in
    *" openssh-server "*) mkdir -p /etc/ssh && : >>/etc/ssh/sshd_not_to_be_run ;;
    esac
    # An installation that was cut off is finished first.
    dpkg --configure -a && apt-get -q -o DPkg::Lock::Timeout=300 update &&
        apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "$@"
)
