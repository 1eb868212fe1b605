#!/usr/bin/env bash
# Backs the database up into a folder of its own below FOLDER, whole or not at all: deploy/backup.sh FOLDER.
# Where the server is, libpq's variables say (PGHOST, PGPORT, PGUSER, PGDATABASE=sesame). The secrets are not in it, and
# short-lived state (Redis, or the table state_entries) is left out on purpose: a restore ends all of it anyway.
set -euo pipefail
umask 077

folder=${1:?which folder?}
database=${PGDATABASE:-sesame}
keep_days=${BACKUP_KEEP_DAYS:-14}

moment=$(date -u +%Y%m%dT%H%M%SZ)
final="$folder/$database-$moment"
part="$folder/.$database-$moment.part"
mkdir -p "$folder"
mkdir "$part"
trap 'rm -rf "$part"' EXIT

pg_dump --dbname="$database" --format=directory --jobs="${BACKUP_JOBS:-4}" --compress=6 --no-owner --no-privileges \
  --exclude-table-data=state_entries --file="$part/dump"
# What is in it, told by itself: a list that pg_restore cannot read is no backup.
pg_restore --list "$part/dump" > "$part/contents"
{
  echo "made_at=$moment"
  echo "database=$database"
  echo "revision=$(psql -XAtq --dbname="$database" -c 'SELECT version_num FROM alembic_version')"
  echo "server=$(psql -XAtq --dbname="$database" -c 'SHOW server_version')"
} > "$part/manifest"
(cd "$part" && find dump contents manifest -type f -print0 | sort -z | xargs -0 sha256sum > SHA256SUMS)
mv "$part" "$final"
trap - EXIT

# Only what has our shape is ever deleted, and never the newest.
find "$folder" -mindepth 1 -maxdepth 1 -type d -name "$database-????????T??????Z" -mtime "+$keep_days" ! -path "$final" \
  -exec rm -rf {} +
echo "$final"
