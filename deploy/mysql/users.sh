#!/bin/bash
# Gives each schema's user its password, from STOA_MYSQL_<SCHEMA>_PASSWORD, and unlocks it. Runs once, after init.sql.
set -euo pipefail

for schema in auth catalog cart orders notifier realtime; do
    variable="STOA_MYSQL_${schema^^}_PASSWORD"
    password=${!variable:?}
    password=${password//\\/\\\\}
    password=${password//\'/\\\'}
    echo "ALTER USER '$schema'@'%' IDENTIFIED BY '$password' ACCOUNT UNLOCK;"
done | MYSQL_PWD="$MYSQL_ROOT_PASSWORD" mysql --user=root
