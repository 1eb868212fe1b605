#!/bin/sh
# For the official image's /docker-entrypoint-initdb.d: runs once, when the data folder is empty.
set -eu
psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
  -v owner_password="$(cat /run/secrets/owner_password)" -v app_password="$(cat /run/secrets/app_password)" \
  -f /sql/roles.sql
