#!/bin/sh
# Makes what compose.yaml reads as secrets, once: what is there already stays.
#
#   sh deploy/secrets.sh [DIRECTORY]       default: deploy/secrets
#
# The directory is closed to others; the files in it are readable, because containers read them as users of their own.
set -eu
directory=${1:-$(dirname "$0")/secrets}
mkdir -p "$directory"
chmod 700 "$directory"
cd "$directory"

random() { head -c 24 /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }
# keep FILE TEXT: writes the file where it is missing; a broken pipe or a full disk leaves none that is half.
keep() {
    [ -s "$1" ] || { printf '%s\n' "$2" > ".$1.new" && chmod 644 ".$1.new" && mv ".$1.new" "$1"; }
}

for role in edge worker exporter health admin; do
    keep "valkey-$role" "$(random)"
done
for role in edge worker; do
    keep "redis-url-$role" "redis://$role:$(cat "valkey-$role")@valkey:6379/0"
done
# Its older versions look for the address alone, the newer ones for user and address.
keep exporter.json "$(printf '{"redis://valkey:6379": "%s", "redis://exporter@valkey:6379": "%s"}' \
    "$(cat valkey-exporter)" "$(cat valkey-exporter)")"
# Encrypts the key of the authority for stations' certificates (deploy/compose.tls.yaml).
keep ca-passphrase "$(random)"
keep grafana-admin "$(random)"
# Whom alerts reach is yours to say: put PagerDuty's routing key and Slack's URL here.
keep pagerduty.key "not set"
keep slack.url "http://127.0.0.1:9/not-set"
