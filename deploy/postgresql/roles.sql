-- Two roles (ASVS 13.2.2): the owner shapes the tables and imports, the provider reads and writes rows and no more.
--   psql -v ON_ERROR_STOP=1 -v owner_password=… -v app_password=… -d postgres -f roles.sql
-- Other names than these: -v owner=… -v app=… -v database=…
\if :{?owner} \else \set owner sesame_owner \endif
\if :{?app} \else \set app sesame \endif
\if :{?database} \else \set database sesame \endif
CREATE ROLE :"owner" LOGIN PASSWORD :'owner_password' NOSUPERUSER NOCREATEROLE NOREPLICATION;
CREATE ROLE :"app" LOGIN PASSWORD :'app_password' NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION;
-- A request that waits for a lock must not hold its thread for ever; an import may take its time.
ALTER ROLE :"app" SET statement_timeout = '10s';
ALTER ROLE :"app" SET lock_timeout = '3s';
ALTER ROLE :"app" SET idle_in_transaction_session_timeout = '30s';
CREATE DATABASE :"database" OWNER :"owner";
\connect :"database"
\ir grants.sql
