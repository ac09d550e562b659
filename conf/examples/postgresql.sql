-- The messages of all nodes in one PostgreSQL, and fspd's reports over them.
--
--     createdb fspd && psql -d fspd -f postgresql.sql
--
-- fspd-load fills it.  Run again, it keeps the messages.  A client is one,
-- whichever nodes it spoke to; what a view shows is what `fspctl report` shows on
-- a single node that had every message.

\set ON_ERROR_STOP on
BEGIN;
SET LOCAL client_min_messages = warning;
CREATE SCHEMA IF NOT EXISTS fspd;
SET LOCAL search_path = fspd;

-- After which message each node is asked for more: the last but one that came, for
-- an export can end between two StateMessages of its last one.
CREATE TABLE IF NOT EXISTS node (
    name text PRIMARY KEY,
    last_id text COLLATE "C",
    loaded timestamptz
);

-- One row a StateMessage, as `fspctl export` has it.  The order of ids is that
-- of arrival.
CREATE TABLE IF NOT EXISTS message (
    node text NOT NULL REFERENCES node,
    id text COLLATE "C" NOT NULL,
    part integer NOT NULL,
    received timestamptz NOT NULL,
    client_address text,
    client_id text,
    netbios_name text,
    client_version text,
    topic_type bigint,
    topic_id text,
    state_id bigint,
    state text,
    class text,
    message_time timestamptz,
    params jsonb,
    error text,
    error_text text,
    PRIMARY KEY (node, id, part)
);
CREATE INDEX IF NOT EXISTS message_received ON message (received);

-- What psql copies into, one line of the export a row; emptied by each load.
CREATE UNLOGGED TABLE IF NOT EXISTS incoming (line jsonb NOT NULL);

CREATE OR REPLACE FUNCTION load(node_name text) RETURNS bigint LANGUAGE plpgsql SET search_path = fspd AS $$
DECLARE
    added bigint;
BEGIN
    INSERT INTO message
        SELECT node_name, r.id, r.part, r.received, r.client_address, r.client_id, r.netbios_name, r.client_version,
            r.topic_type, r.topic_id, r.state_id, r.state, r.class, r.message_time, r.params, r.error, r.error_text
        FROM incoming CROSS JOIN LATERAL jsonb_populate_record(NULL::message, line) r
        ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS added = ROW_COUNT;
    UPDATE node SET loaded = now(),
            last_id = greatest(last_id, (SELECT DISTINCT line ->> 'id' COLLATE "C" AS id FROM incoming
                ORDER BY id DESC OFFSET 1 LIMIT 1))
        WHERE name = node_name;
    DELETE FROM incoming;
    RETURN added;
END $$;

-- Of two tellings the later one counts, but what it leaves out stays known.
DO $$ BEGIN
    CREATE TYPE telling AS (told timestamptz, word text);
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;
CREATE OR REPLACE FUNCTION tell(known telling, told timestamptz, word text) RETURNS telling
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN (known).told > told THEN ((known).told, coalesce((known).word, word))::fspd.telling
        ELSE (told, coalesce(word, (known).word))::fspd.telling END
$$;
CREATE OR REPLACE FUNCTION told_word(known telling) RETURNS text
LANGUAGE sql IMMUTABLE AS $$ SELECT (known).word $$;
CREATE OR REPLACE AGGREGATE told(timestamptz, text) (SFUNC = tell, STYPE = telling, FINALFUNC = told_word);

-- The client of each StateMessage, and the time that decides which is latest.
CREATE OR REPLACE VIEW client_message AS
    SELECT coalesce('I' || nullif(client_id, ''), 'N' || nullif(netbios_name, '')) AS client,
        coalesce(message_time, received) AS at, *
    FROM message
    WHERE coalesce(nullif(client_id, ''), nullif(netbios_name, '')) IS NOT NULL;

CREATE OR REPLACE VIEW client AS
    SELECT client, max(client_id) AS client_id, told(told, netbios_name ORDER BY id) AS netbios_name,
        told(told, client_version ORDER BY id) AS client_version, min(received) AS first_seen,
        max(received) AS last_seen
    FROM (SELECT client, node, id, max(nullif(client_id, '')) AS client_id, max(netbios_name) AS netbios_name,
                max(client_version) AS client_version, max(received) AS received, max(at) AS told
            FROM client_message GROUP BY client, node, id) AS one
    GROUP BY client;

-- The latest state of each kind that a client told.
CREATE OR REPLACE VIEW client_state AS
    WITH kind (kind, topic, low, high) AS (VALUES
        ('last', 800, 0, 999999999999999999), ('deployment', 800, 0, 499), ('assignment', 800, 500, 999999999999999999),
        ('communication', 1000, 0, 999999999999999999), ('certificate', 1001, 0, 999999999999999999),
        ('deployment begin', 800, 100, 100), ('deployment end', 800, 400, 401),
        ('assignment begin', 800, 500, 500), ('assignment end', 800, 700, 700))
    SELECT DISTINCT ON (kind, client) kind, client, at, id, part, received, topic_type, state_id, state, class,
        params ->> 0 AS param, error, error_text
    FROM client_message JOIN kind ON topic_type = topic AND state_id BETWEEN low AND high
    ORDER BY kind, client, at DESC, id DESC, part DESC;

-- A row for each of those states, with all that is known of its client.
CREATE OR REPLACE VIEW client_report AS
    WITH s AS MATERIALIZED (SELECT * FROM client_state)
    SELECT s.kind, c.client_id, c.netbios_name, c.client_version, s.topic_type, s.state_id, s.state, s.class,
        c.last_seen, db.at AS deployment_begin,
        CASE WHEN db.client IS NULL OR (de.at, de.id, de.part) > (db.at, db.id, db.part) THEN de.at END
            AS deployment_end,
        ab.at AS assignment_begin, ae.at AS assignment_end, d.state_id IN (317, 401) AS reboot_needed, s.param,
        CASE co.state_id WHEN 1 THEN 'ok' WHEN 2 THEN 'failed' END AS communication,
        CASE ce.state_id WHEN 1 THEN 'ok' WHEN 2 THEN 'failed' END AS certificate, s.error, s.error_text,
        s.at AS state_time, c.first_seen, s.received
    FROM s JOIN client c USING (client)
        LEFT JOIN s d ON d.client = s.client AND d.kind = 'deployment'
        LEFT JOIN s db ON db.client = s.client AND db.kind = 'deployment begin'
        LEFT JOIN s de ON de.client = s.client AND de.kind = 'deployment end'
        LEFT JOIN s ab ON ab.client = s.client AND ab.kind = 'assignment begin'
        LEFT JOIN s ae ON ae.client = s.client AND ae.kind = 'assignment end'
        LEFT JOIN s co ON co.client = s.client AND co.kind = 'communication'
        LEFT JOIN s ce ON ce.client = s.client AND ce.kind = 'certificate';

-- The reports, with the names and columns of `fspctl report`.
CREATE OR REPLACE VIEW client_deployment_status AS
    SELECT class, state_id, state, count(*) AS clients, max(received) AS last_seen
    FROM client_state WHERE kind = 'deployment' GROUP BY 1, 2, 3;
CREATE OR REPLACE VIEW client_deployment_success AS
    SELECT * FROM client_report WHERE kind = 'deployment' AND state_id / 100 = 4;
CREATE OR REPLACE VIEW client_deployment_failure AS
    SELECT * FROM client_report WHERE kind = 'deployment' AND state_id / 100 = 3;
CREATE OR REPLACE VIEW client_assignment_status AS
    SELECT class, state_id, state, count(*) AS clients, max(received) AS last_seen
    FROM client_state WHERE kind = 'assignment' GROUP BY 1, 2, 3;
CREATE OR REPLACE VIEW client_assignment_success AS
    SELECT * FROM client_report WHERE kind = 'assignment' AND state_id / 100 = 7;
CREATE OR REPLACE VIEW client_assignment_failure AS
    SELECT * FROM client_report WHERE kind = 'assignment' AND state_id / 100 = 6;
CREATE OR REPLACE VIEW problems_detail AS
    SELECT * FROM client_report
    WHERE kind = 'last' AND state_id / 100 IN (3, 6) OR kind IN ('communication', 'certificate') AND state_id = 2;
CREATE OR REPLACE VIEW problems_summary AS
    SELECT topic_type, state_id, state, error, count(*) AS clients, max(received) AS last_seen, class, error_text
    FROM problems_detail GROUP BY 1, 2, 3, 4, 7, 8;
COMMIT;
