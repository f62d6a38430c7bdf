#!/bin/sh
# Redirects a workload's TCP traffic to its sidecar: outbound connections to port 15001, inbound ones to port 15006.
# Run it once in the workload's network namespace, as root, before the workload starts (in an init container).
# The sidecar must run with the group PROXY_GID: its own connections are not redirected. The chains are Istio's.
#
#   PROXY_GID=1337           the sidecar's group
#   EXCLUDE_INBOUND=22,9090  inbound ports that bypass the sidecar
#   EXCLUDE_OUTBOUND=5432    outbound ports that bypass the sidecar
#   EXCLUDE_RANGES=10.9.0.0/16,192.0.2.7   outbound destinations that bypass the sidecar
#   intercept.sh --undo      removes all rules
set -eu

gid=${PROXY_GID:-1337}
own=15090,15021,15020

undo() {
    iptables -t nat -D PREROUTING -p tcp -j ISTIO_INBOUND 2>/dev/null || true
    iptables -t nat -D OUTPUT -p tcp -j ISTIO_OUTPUT 2>/dev/null || true
    for chain in ISTIO_OUTPUT ISTIO_INBOUND ISTIO_IN_REDIRECT ISTIO_REDIRECT; do
        iptables -t nat -F "$chain" 2>/dev/null || true
        iptables -t nat -X "$chain" 2>/dev/null || true
    done
}

undo
[ "${1:-}" = --undo ] && exit 0

# One transaction, so that a workload is never intercepted in part.
{
    echo '*nat'
    echo ':ISTIO_REDIRECT - [0:0]'
    echo ':ISTIO_IN_REDIRECT - [0:0]'
    echo ':ISTIO_INBOUND - [0:0]'
    echo ':ISTIO_OUTPUT - [0:0]'
    echo '-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001'
    echo '-A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports 15006'
    for port in $(echo "$own,${EXCLUDE_INBOUND:-}" | tr ',' ' '); do
        echo "-A ISTIO_INBOUND -p tcp --dport $port -j RETURN"
    done
    echo '-A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT'
    for port in $(echo "${EXCLUDE_OUTBOUND:-}" | tr ',' ' '); do
        echo "-A ISTIO_OUTPUT -p tcp --dport $port -j RETURN"
    done
    # The sidecar forwards inbound requests to its own workload from this address.
    echo '-A ISTIO_OUTPUT -s 127.0.0.6/32 -o lo -j RETURN'
    # A workload that calls its own service: the sidecar sends it over lo, and it is inbound traffic like any other.
    echo "-A ISTIO_OUTPUT ! -d 127.0.0.1/32 -o lo -p tcp -m owner --gid-owner $gid -j ISTIO_IN_REDIRECT"
    echo "-A ISTIO_OUTPUT -o lo -m owner ! --gid-owner $gid -j RETURN"
    echo "-A ISTIO_OUTPUT -m owner --gid-owner $gid -j RETURN"
    echo '-A ISTIO_OUTPUT -d 127.0.0.1/32 -j RETURN'
    for range in $(echo "${EXCLUDE_RANGES:-}" | tr ',' ' '); do
        echo "-A ISTIO_OUTPUT -d $range -j RETURN"
    done
    echo '-A ISTIO_OUTPUT -j ISTIO_REDIRECT'
    echo '-A PREROUTING -p tcp -j ISTIO_INBOUND'
    echo '-A OUTPUT -p tcp -j ISTIO_OUTPUT'
    echo COMMIT
} | iptables-restore --noflush
