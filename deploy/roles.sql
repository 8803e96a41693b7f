-- The roles of Smarter Reporting and its database. May be run again; as superuser of PostgreSQL:
--     runuser -u postgres -- psql <roles.sql
-- Then give each role its password, in psql:
--     \password smarter_owner
-- What each may do: docs/operations.md. Rights on schemas and tables are smarter-schema's affair.
\set ON_ERROR_STOP on

SELECT format('CREATE ROLE %I LOGIN', name)
  FROM unnest(ARRAY['smarter_owner', 'smarter_loader', 'smarter_web', 'smarter_jobs', 'smarter_analyst',
                    'smarter_public', 'smarter_hpz']) name
 WHERE name NOT IN (SELECT rolname FROM pg_roles)
\gexec

-- The owner may look into and remove what the loader made: schemas of batches.
GRANT smarter_loader TO smarter_owner;

SELECT 'CREATE DATABASE smarter OWNER smarter_owner TEMPLATE template0 ENCODING ''UTF8'''
       ' LC_COLLATE ''C.UTF-8'' LC_CTYPE ''C.UTF-8'''
 WHERE 'smarter' NOT IN (SELECT datname FROM pg_database)
\gexec

REVOKE ALL ON DATABASE smarter FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE smarter TO smarter_loader, smarter_web, smarter_jobs, smarter_analyst;
GRANT CONNECT ON DATABASE smarter TO smarter_public, smarter_hpz;
-- Schemas of batches.
GRANT CREATE ON DATABASE smarter TO smarter_loader;
