-- What people want to know of a server; limits need only the rest of the row.
ALTER TABLE replicas ADD COLUMN address TEXT NOT NULL DEFAULT '';
ALTER TABLE replicas ADD COLUMN version TEXT NOT NULL DEFAULT '';
ALTER TABLE replicas ADD COLUMN started_us BIGINT NOT NULL DEFAULT 0;
