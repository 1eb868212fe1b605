-- What `sesame` may do in the database one is connected to; also for a database that was just restored. Repeatable.
-- Run by its owner or a superuser, before `idp db upgrade` and again after it: events are never changed (ADR 17).
SELECT current_database() AS database \gset
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"database" TO sesame;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT ALL ON SCHEMA public TO sesame_owner;
GRANT USAGE ON SCHEMA public TO sesame;
ALTER DEFAULT PRIVILEGES FOR ROLE sesame_owner IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO sesame;
ALTER DEFAULT PRIVILEGES FOR ROLE sesame_owner IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO sesame;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO sesame;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO sesame;
SELECT format('REVOKE UPDATE ON %I FROM sesame', table_name)
  FROM information_schema.tables
 WHERE table_schema = 'public' AND table_name IN ('audit_events', 'audit_links', 'alembic_version') \gexec
SELECT format('REVOKE INSERT, DELETE ON %I FROM sesame', table_name)
  FROM information_schema.tables
 WHERE table_schema = 'public' AND table_name = 'alembic_version' \gexec
