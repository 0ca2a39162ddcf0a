#!/bin/sh
# Makes the ACL file from users.acl and the passwords, then becomes the server.
#
# Read from the environment, with defaults for the container:
#   SECRETS   directory with the passwords, one file `valkey-<role>` each
#   USERS     the ACL file with placeholders       ACL    where the made one goes: memory, not a disk
#   SERVER    the server                           CONF   its configuration
set -eu
umask 077
SECRETS=${SECRETS:-/run/secrets}
USERS=${USERS:-/etc/valkey/users.acl}
ACL=${ACL:-/run/valkey/users.acl}

cp "$USERS" "$ACL.new"
for role in $(sed -n 's/.*#@\([a-z]*\)@.*/\1/p' "$USERS"); do
    [ -s "$SECRETS/valkey-$role" ] || { echo "start.sh: no password in $SECRETS/valkey-$role" >&2; exit 1; }
    # The digest is that of the password without the line's end.
    digest=$(tr -d '\r\n' < "$SECRETS/valkey-$role" | sha256sum | cut -d ' ' -f 1)
    sed "s/@$role@/$digest/" "$ACL.new" > "$ACL.next"
    mv "$ACL.next" "$ACL.new"
done
mv "$ACL.new" "$ACL"
exec "${SERVER:-valkey-server}" "${CONF:-/etc/valkey/valkey.conf}" --aclfile "$ACL" "$@"
