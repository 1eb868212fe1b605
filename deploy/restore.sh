#!/usr/bin/env bash
# Puts a backup of deploy/backup.sh in the place of the database: deploy/restore.sh BACKUP. docs/howto/backup.md.
# Stop every node and worker first. libpq's variables name a superuser; IDP_… variables are those of a node, with the
# owner's database_url, from which the name at the end is taken for the database to be replaced.
#
# The backup becomes a database of another name, is brought to this version's shape, and everything that was issued
# before ends in it (`idp restore finish`). Only then does it get the name under which nodes look for it: interrupted at
# any point before, nothing can be served from it. The old one is kept under a name with the moment.
set -euo pipefail

backup=${1:?which backup?}
owner=${RESTORE_OWNER:-sesame_owner}
app=${RESTORE_APP:-sesame}
here=$(cd "$(dirname "$0")" && pwd)

url=${IDP_DATABASE_URL:-}
[ -n "$url" ] || url=$(cat "${IDP_DATABASE_URL_FILE:?IDP_DATABASE_URL or IDP_DATABASE_URL_FILE: the owner\'s}")
name=${url##*/}
name=${name%%\?*}
options=""
[ "$url" = "${url%%\?*}" ] || options="?${url#*\?}"
fresh="${name}_restoring"
sql() { psql -XAtq -v ON_ERROR_STOP=1 --dbname="$@"; }

(cd "$backup" && sha256sum --check --quiet SHA256SUMS)

busy=$(sql postgres -v name="$name" <<< "SELECT count(*) FROM pg_stat_activity WHERE datname = :'name'")
if [ "$busy" != 0 ]; then
  echo "restore: $busy connections to $name: stop nodes and workers first" >&2
  exit 1
fi

sql postgres -v fresh="$fresh" -v owner="$owner" <<'SQL'
DROP DATABASE IF EXISTS :"fresh";
CREATE DATABASE :"fresh" OWNER :"owner";
SQL
pg_restore --exit-on-error --jobs="${RESTORE_JOBS:-4}" --no-owner --no-privileges --role="$owner" --dbname="$fresh" "$backup/dump"

# From here on as a node would, but on the database that no node knows.
unset IDP_DATABASE_URL_FILE
export IDP_DATABASE_URL="${url%/*}/$fresh$options"
sql "$fresh" -v owner="$owner" -v app="$app" -f "$here/postgresql/grants.sql"
idp db upgrade
sql "$fresh" -v owner="$owner" -v app="$app" -f "$here/postgresql/grants.sql"
idp restore finish --yes --json
idp audit verify --json

sql postgres -v name="$name" -v fresh="$fresh" -v old="${name}_before_$(date -u +%Y%m%dT%H%M%SZ)" <<'SQL'
SELECT EXISTS (SELECT FROM pg_database WHERE datname = :'name') AS is_there \gset
BEGIN;
\if :is_there
  ALTER DATABASE :"name" RENAME TO :"old";
\endif
ALTER DATABASE :"fresh" RENAME TO :"name";
COMMIT;
SQL
echo "restore: $name is the backup of $(sed -n 's/^made_at=//p' "$backup/manifest"); start the nodes" >&2
