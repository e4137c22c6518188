#!/usr/bin/env bash
# Makes a fresh checkout ready to work in: servers from apt, Python packages with pinned hashes into .venv, the mailbox into its own.
# With the word "browser" also the Chromium that tests of the pages are run in, with "promtool" what checks the alerts; with
# "stack" only what running it needs: no packages for tests, and no servers where it will run in containers.
# A repeat with nothing to do takes less than a second; an interrupted run is repaired by the next one.
set -euo pipefail

cd "$(dirname "$0")/../.."
ROOT=$PWD
WITH=" $* "
LOG=$ROOT/.run/log/bootstrap.log
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1

LOCAL=(libs/common services/auth services/catalog services/cart services/orders services/notifier services/realtime
    gateway/portal deploy/local)
RUN=requirements.txt DEVELOPMENT=requirements-dev.txt
MEGABYTES_FOR_PACKAGES=1500

refuse() { # one sentence, and what the log said last
    [ ! -s "$LOG" ] || [ "${2-}" != log ] || tail -n 15 "$LOG" >&2
    echo "$1" >&2
    exit 1
}

CHILD=
stop() { # a Ctrl-C or an end asked for reaches the background work too
    trap - INT TERM HUP
    [ -z "$CHILD" ] || kill -- "-$CHILD" 2>/dev/null || true
    echo >&2
    refuse "Interrupted; the next run goes on from here."
}
trap stop INT TERM HUP

step() { # step "what is done" command...: runs it into the log, shows that it goes on and how long it took
    local text=$1 begun=$SECONDS shown=0 code=0
    shift
    set -m # a process group of its own
    "$@" >>"$LOG" 2>&1 </dev/null 9>&- &
    CHILD=$!
    set +m
    while kill -0 "$CHILD" 2>/dev/null; do
        if [ -t 1 ]; then
            printf '\r  … %s %s s ' "$text" $((SECONDS - begun))
        elif [ $((SECONDS - begun)) -ge $((shown + 15)) ]; then
            shown=$((SECONDS - begun))
            echo "  … $text $shown s"
        fi
        sleep 0.2
    done
    wait "$CHILD" || code=$?
    CHILD=
    [ ! -t 1 ] || printf '\r\033[K'
    [ "$code" = 0 ] || return "$code"
    echo "  ✓ $text $((SECONDS - begun)) s"
}

# --- servers and tools from apt

missing_packages() {
    if ! wants stack || ! in_containers; then
        command -v mariadbd >/dev/null || echo mariadb-server
        command -v rabbitmq-server >/dev/null || echo rabbitmq-server
        command -v redis-server >/dev/null || echo redis-server
    fi
    [ -n "$(find_python)" ] || echo python3 python3-venv
    ! wants browser || [ -n "$(find_browser)" ] || echo chromium
    ! wants promtool || command -v promtool >/dev/null || echo prometheus
}

wants() { case $WITH in *" $1 "*) ;; *) return 1 ;; esac }

in_containers() { # as `stoa.containers.choosing` decides it
    case ${STOA_DOCKER-$(sed -n 's/^STOA_DOCKER=//p' .env 2>/dev/null)} in
        on) return 0 ;;
        off) return 1 ;;
    esac
    [ -e "${STOA_RUN-.run}/containers" ] || { [ ! -e "${STOA_RUN-.run}/mysql" ] && timeout 10 docker info >/dev/null 2>&1; }
}

find_python() { # the first Python from 3.11 on that can make a virtual environment; STOA_PYTHON names another
    local name
    for name in ${STOA_PYTHON-} python3.11 python3.12 python3.13 python3; do
        if "$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            command -v "$name"
            return
        fi
    done
}

find_browser() { command -v chromium chromium-headless-shell google-chrome-stable google-chrome || true; }

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

install_packages() { # the system must not start the servers: ours run under .run, on ports of their own
    local policy=/usr/sbin/policy-rc.d unit ours=no
    if [ ! -e "$policy" ]; then
        ours=yes
        trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
        trap 'exit 130' INT TERM HUP
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy"
        as_root chmod 755 "$policy"
    fi
    as_root dpkg --configure -a || return
    as_root apt-get update || echo "the package lists could not be refreshed; trying with the old ones"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        -o DPkg::Lock::Timeout=300 "$@" || return
    for unit in "$@"; do # nor at the next boot
        case $unit in mariadb-server) unit=mariadb ;; esac
        if command -v systemctl >/dev/null && [ -e "/lib/systemd/system/$unit.service" ]; then
            as_root systemctl disable "$unit" || true
        fi
    done
    [ "$ours" = no ] || as_root rm -f "$policy"
}

check_rights() {
    [ "$(id -u)" != 0 ] || return 0
    command -v sudo >/dev/null || refuse "These packages are missing and only root may install them: apt-get install $*"
    if [ -t 0 ]; then sudo -v; else sudo -n true 2>/dev/null; fi ||
        refuse "sudo is not possible here; let an administrator run: apt-get install $*"
}

servers() {
    local packages
    packages=$(missing_packages | tr '\n' ' ')
    [ -n "$packages" ] || return 0
    # shellcheck disable=SC2086 # a list of words
    set -- $packages
    command -v apt-get >/dev/null || refuse "These are missing, and there is no apt-get to install them: $*"
    check_rights "$@"
    step "install $* (apt)" install_packages "$@" || refuse "apt-get could not install: $*." log
    [ -z "$(missing_packages)" ] || refuse "Still missing after apt-get: $(missing_packages | tr '\n' ' ')." log
}

# --- Python environments

fingerprint() { # changes with the pins, the packages' descriptions, the interpreter and the place
    { echo "$ROOT"; "$1/bin/python" -VV; cat "${@:2}"; } 2>/dev/null | sha256sum | cut -d' ' -f1
}

holds() { # holds FOLDER PINS [DESCRIPTION...]: whether FOLDER was filled by them, and nothing was broken off since
    [ ! -e "$1/.unfinished" ] && usable "$1" && grep -qsx "$(fingerprint "$@")" "$1/.fingerprint"
}

environment() { # environment FOLDER PINS [DESCRIPTION...]: FOLDER holds what the pins say, or is made again
    local folder=$1 pins=$2
    ! holds "$@" || return 0
    room
    if [ -e "$folder/.unfinished" ] || ! usable "$folder"; then rm -rf "$folder"; fi
    mkdir -p "$folder"
    touch "$folder/.unfinished"
    [ -x "$folder/bin/python" ] || step "make $folder" "$(find_python)" -m venv --without-pip "$folder" ||
        refuse "A Python environment could not be made in $folder." log
    packages "$folder" "$pins"
    if [ $# -gt 2 ]; then
        step "link Stoa's own packages into $folder" .venv/bin/uv pip install --python "$folder/bin/python" --offline \
            --no-deps --no-build-isolation "${LOCAL[@]/#/-e./}" || refuse "uv could not link Stoa's own packages." log
    fi
    fingerprint "$@" >"$folder/.fingerprint"
    [ "$pins" != "$DEVELOPMENT" ] || fingerprint "$folder" "$RUN" "${@:3}" >>"$folder/.fingerprint" # it holds both
    rm "$folder/.unfinished"
}

packages() { # packages FOLDER PINS: by uv, in a quarter of pip's time; by pip, where only pip knows the way to an index
    local text
    text="install $(grep -c '^[a-z].*==' "$2") pinned packages into $1"
    if [ ! -x .venv/bin/uv ]; then
        awk '/^uv==/ { pin = 1 } pin { print; if (!/\\$/) exit }' "$RUN" >.run/uv.txt
        step "install uv" with_pip .venv .run/uv.txt || refuse "pip could not install uv." log
    fi
    # All that is needed is pinned, so nothing needs to be built only to say what it needs.
    step "$text" .venv/bin/uv pip install --python "$1/bin/python" --compile-bytecode --no-deps --require-hashes -r "$2" ||
        step "$text with pip" with_pip "$1" "$2" || refuse "pip could not install $2." log
}

with_pip() { # with_pip FOLDER PINS: by the pip that Python brings along, as it stands; installing that first takes seconds
    PYTHONPATH=$("$1/bin/python" -c "$PIP") "$1/bin/python" -m pip install --require-hashes -r "$2"
}
PIP='
import ensurepip, pathlib, sysconfig
folders = sysconfig.get_config_var("WHEEL_PKG_DIR"), pathlib.Path(ensurepip.__file__).with_name("_bundled")
print(next(wheel for folder in folders if folder for wheel in pathlib.Path(folder).glob("pip-*.whl")))
'
usable() { # it exists, runs, is new enough and was made here
    "$1/bin/python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null &&
        grep -qs "$ROOT/$1" "$1/bin/activate"
}

room() {
    local free
    free=$(df -Pm "$ROOT" | awk 'NR == 2 { print $4 }')
    [ "$free" -ge "$MEGABYTES_FOR_PACKAGES" ] ||
        refuse "Only $free MB are free on the disk of $ROOT, and the packages need $MEGABYTES_FOR_PACKAGES MB."
}

mkdir -p -m 700 .run
mkdir -p .run/log
exec 9>.run/bootstrap.lock
flock -n 9 || { echo "  … another bootstrap is at work here; waiting for it" && flock 9; }
: >"$LOG"
servers
wants stack && pins=$RUN || pins=$DEVELOPMENT
environment .venv "$pins" "${LOCAL[@]/%//pyproject.toml}"
environment .venv-mailbox deploy/local/mailbox-requirements.txt
