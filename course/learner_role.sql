-- One learner of a shared database, after shared_server.sql: psql -v role=ada -v password=...
-- A password given as text can end up in the server's log; `carlib roles` sends a hash of it.

CREATE ROLE :"role" LOGIN PASSWORD :'password' CONNECTION LIMIT 10
    NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
-- The rights of `learners`, but not the role: nothing can be made that belongs to all.
GRANT learners TO :"role" WITH INHERIT TRUE, SET FALSE;

-- Against accidents: a learner can set these anew.
ALTER ROLE :"role" SET statement_timeout = '5min';
ALTER ROLE :"role" SET idle_in_transaction_session_timeout = '1h';

-- Made here, so that nobody else takes the name.
CREATE SCHEMA :"role" AUTHORIZATION :"role";
