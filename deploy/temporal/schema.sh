#!/bin/sh
# Brings Temporal's two databases to the schema of this release. Run again, it changes nothing.
# POSTGRES_HOST, POSTGRES_PORT, POSTGRES_USER; the password from SQL_PASSWORD or SQL_PASSWORD_FILE.
set -eu

: "${SCHEMA:=/etc/temporal/schema/postgresql/v12}"
if [ -n "${SQL_PASSWORD_FILE:-}" ]; then
    SQL_PASSWORD="$(cat "$SQL_PASSWORD_FILE")"
    export SQL_PASSWORD
fi

tool() {
    temporal-sql-tool --plugin postgres12 --ep "$POSTGRES_HOST" --port "$POSTGRES_PORT" \
        --user "$POSTGRES_USER" "$@"
}

bring_up() {
    database="$1" versions="$SCHEMA/$2/versioned"
    if tool --db "$database" update-schema --schema-dir "$versions" >/dev/null 2>&1; then
        echo "$database: up to date"
        return
    fi
    tool --db "$database" create
    tool --db "$database" setup-schema --version 0.0
    tool --db "$database" update-schema --schema-dir "$versions"
    echo "$database: made"
}

bring_up temporal temporal
bring_up temporal_visibility visibility
