#!/bin/sh
# Run once, by the image, on an empty volume: a role and a password for each who may come in.
set -eu
: "${SECRETS:=/run/secrets}"
psql --set ON_ERROR_STOP=1 --username postgres \
    --set shop="$(cat $SECRETS/shop_password)" \
    --set temporal="$(cat $SECRETS/temporal_password)" <<'SQL'
CREATE ROLE shop LOGIN PASSWORD :'shop';
CREATE DATABASE shop OWNER shop;
CREATE ROLE temporal LOGIN CREATEDB PASSWORD :'temporal';
SQL
