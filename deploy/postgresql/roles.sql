-- Two roles (ASVS 13.2.2): `sesame_owner` shapes the tables and imports, `sesame` reads and writes rows and no more.
--   psql -v ON_ERROR_STOP=1 -v owner_password=… -v app_password=… -d postgres -f roles.sql
CREATE ROLE sesame_owner LOGIN PASSWORD :'owner_password' NOSUPERUSER NOCREATEROLE NOREPLICATION;
CREATE ROLE sesame LOGIN PASSWORD :'app_password' NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION;
-- A request that waits for a lock must not hold its thread for ever; an import may take its time.
ALTER ROLE sesame SET statement_timeout = '10s';
ALTER ROLE sesame SET lock_timeout = '3s';
ALTER ROLE sesame SET idle_in_transaction_session_timeout = '30s';
CREATE DATABASE sesame OWNER sesame_owner;
\connect sesame
\ir grants.sql
