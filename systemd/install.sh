#!/bin/sh
# Install autotrader as a systemd service, or bring an installation up to date. Running it again changes nothing twice.
#
#   systemd/install.sh               install or upgrade (as root)
#   systemd/install.sh --uninstall   remove service and program; /etc/autotrader and /var/lib/autotrader stay
#   systemd/install.sh --dry-run     only print what would be done; may be combined with --uninstall
#
# DESTDIR   put the files below this folder instead, and leave users, environment and service manager alone
# PYTHON, TORCH_INDEX   as tools/make-venv takes them; PYTHON is the system's own unless it is named
set -eu
umask 022

here=$(cd "$(dirname "$0")/.." && pwd)
program=/opt/autotrader
configuration=/etc/autotrader
state=/var/lib/autotrader
units=/etc/systemd/system
user=autotrader
root=${DESTDIR:-}
uninstall=no
dry=no

for argument in "$@"; do
    case $argument in
        --uninstall) uninstall=yes ;;
        --dry-run) dry=yes ;;
        *)
            echo "usage: systemd/install.sh [--uninstall] [--dry-run]" >&2
            exit 2
            ;;
    esac
done

if [ $dry = no ] && [ -z "$root" ] && [ "$(id -u)" != 0 ]; then
    echo "installing a service needs root: sudo make install (see what it does: systemd/install.sh --dry-run)" >&2
    exit 1
fi

do_() {
    if [ $dry = yes ]; then
        echo "$*"
    else
        "$@"
    fi
}

# What only a live system has: users, owners, the service manager.
live() {
    if [ -z "$root" ]; then
        do_ "$@"
    fi
}

write() { # FILE, its text on standard input
    if [ $dry = yes ]; then
        echo "write $1:"
        sed 's/^/    /'
    else
        cat >"$1"
    fi
}

has_service_manager() {
    [ -d /run/systemd/system ]
}

remove() {
    if has_service_manager; then
        live systemctl disable --now autotrader.service
    fi
    do_ rm -rf "$root$units/autotrader.service" "$root$units/autotrader.service.d" "$root$program"
    do_ rm -f "$root/usr/local/bin/autotrader"
    if has_service_manager; then
        live systemctl daemon-reload
    fi
    echo "removed; your declarations in $configuration and the journal in $state are still there"
}

create_user() {
    if ! getent passwd $user >/dev/null; then
        live useradd --system --user-group --home-dir $state --no-create-home --shell /usr/sbin/nologin $user
    fi
}

# An interpreter below somebody's home is one that the service may neither see nor run.
make_environment() {
    PYTHON=${PYTHON:-/usr/bin/python3.11 /usr/bin/python3.12 /usr/local/bin/python3.11 /usr/local/bin/python3.12 /usr/bin/python3}
    export PYTHON
    live rm -rf "$here/build" # setuptools would install what an earlier build left there, removed modules too
    live "$here/tools/make-venv" $program/venv "$here"
    if [ $dry = no ] && [ -z "$root" ]; then
        interpreter=$(readlink -f $program/venv/bin/python)
        case $interpreter in
            /home/* | /root/*)
                echo "the service cannot run $interpreter: name another with PYTHON, remove $program/venv, try again" >&2
                exit 1
                ;;
        esac
    fi
}

install_program() {
    do_ mkdir -p "$root$program/docs" "$root/usr/local/bin"
    do_ cp -R "$here/docs/." "$root$program/docs"
    make_environment
    do_ ln -sfn $program/venv/bin/autotrader "$root/usr/local/bin/autotrader"
}

install_configuration() {
    do_ mkdir -p "$root$configuration"
    if [ -e "$root$configuration/autotrader.yaml" ]; then
        echo "$configuration/autotrader.yaml is there: your declarations stay as they are"
    else
        for part in autotrader.yaml strategies.d exchanges.d risk.d; do
            do_ cp -R "$here/$part" "$root$configuration/"
        done
    fi
    do_ rm -rf "$root$configuration/schemas"
    do_ cp -R "$here/schemas" "$root$configuration/"
    do_ mkdir -p -m 0700 "$root$configuration/secrets"
    # What the daemon writes lies in the configuration folder's `var`, which here is the service's state folder.
    do_ mkdir -p -m 0700 "$root$state"
    live chown $user:$user $state
    if [ ! -e "$root$configuration/var" ] && [ ! -L "$root$configuration/var" ]; then
        do_ ln -s $state "$root$configuration/var"
    fi
}

install_unit() {
    drop_ins="$root$units/autotrader.service.d"
    do_ mkdir -p "$drop_ins"
    do_ cp "$here/systemd/autotrader.service" "$root$units/autotrader.service"
    {
        echo "# Made by systemd/install.sh from the files in $configuration/secrets; run it again after adding one."
        echo "[Service]"
        for secret in "$root$configuration/secrets"/*; do
            if [ -f "$secret" ]; then
                echo "LoadCredential=$(basename "$secret"):$configuration/secrets/$(basename "$secret")"
            fi
        done
    } | write "$drop_ins/credentials.conf"
    if [ -d /proc/driver/nvidia ]; then
        do_ cp "$here/systemd/gpu.conf" "$drop_ins/gpu.conf"
    fi
    if has_service_manager; then
        live systemctl daemon-reload
    fi
}

if [ $uninstall = yes ]; then
    remove
    exit
fi

create_user
install_program
install_configuration
install_unit
cat <<EOF

autotrader is installed. What comes next:
  your declarations are in $configuration (strategies.d, exchanges.d, risk.d)
  check them:     autotrader -c $configuration check
  start:          systemctl enable --now autotrader
  look:           autotrader -c $configuration status    journalctl -u autotrader -f
  after an edit:  systemctl reload autotrader (files are watched, too; this one waits and tells)
  after upgrade:  systemctl restart autotrader
EOF
