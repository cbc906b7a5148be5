-- A database that learners share: run once in it by a superuser, and again without harm.
-- Each learner then gets a role by learner_role.sql.

-- What every learner may do is granted to this role; nobody logs in as it.
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'learners') THEN
        CREATE ROLE learners NOLOGIN;
    END IF;
END $$;

-- Learners may connect, and make schemas and temporary tables: a lesson drops its schema and makes
-- it anew, which takes CREATE on the database. What is in a schema is its owner's alone.
DO $$ BEGIN
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT, CREATE, TEMPORARY ON DATABASE %I TO learners', current_database());
END $$;
REVOKE ALL ON SCHEMA public FROM PUBLIC;

-- The extensions of the lessons. Made here, they belong to us: no learner can drop them, which
-- would take away everyone's keys.
CREATE SCHEMA IF NOT EXISTS extensions;
CREATE EXTENSION IF NOT EXISTS btree_gist SCHEMA extensions;
CREATE EXTENSION IF NOT EXISTS pgstattuple SCHEMA extensions;
GRANT USAGE ON SCHEMA extensions TO learners;
-- By name, so that it asks whether one may use the table's schema; by number it would not.
GRANT EXECUTE ON FUNCTION extensions.pgstattuple(text) TO learners;

-- The schemas that the lessons name themselves, taken: who forgets to write their own schema into
-- a lesson is told so at once, instead of working where the next one works too.
DO $$ BEGIN
    FOR number IN 1..6 LOOP
        EXECUTE format('CREATE SCHEMA IF NOT EXISTS %I', 'lesson_' || to_char(number, 'FM00'));
    END LOOP;
END $$;
