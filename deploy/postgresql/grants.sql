-- What the provider's role may do in the database that one is connected to; repeatable, also for one just restored.
-- By its owner or a superuser, before `idp db upgrade` and again after it: events are never changed (ADR 17).
-- Other names than these: psql -v owner=… -v app=…
\if :{?owner} \else \set owner sesame_owner \endif
\if :{?app} \else \set app sesame \endif
SELECT current_database() AS database \gset
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"database" TO :"app";
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT ALL ON SCHEMA public TO :"owner";
GRANT USAGE ON SCHEMA public TO :"app";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO :"app";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO :"app";
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO :"app";
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO :"app";
SELECT format('REVOKE UPDATE ON %I FROM %I', table_name, :'app')
  FROM information_schema.tables
 WHERE table_schema = 'public' AND table_name IN ('audit_events', 'audit_links', 'alembic_version') \gexec
SELECT format('REVOKE INSERT, DELETE ON %I FROM %I', table_name, :'app')
  FROM information_schema.tables
 WHERE table_schema = 'public' AND table_name = 'alembic_version' \gexec
