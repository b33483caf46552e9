-- What is left of deleted jobs: their ids, which are never used again, and,
-- until that is done, what of theirs is still to be removed outside.
CREATE TABLE deleted (
  seq      INTEGER PRIMARY KEY,
  project  TEXT NOT NULL,
  id       TEXT NOT NULL,
  time     INTEGER NOT NULL,
  packages TEXT NOT NULL DEFAULT '[]', -- []job.Package
  done     INTEGER NOT NULL DEFAULT 0,
  UNIQUE (project, id)
) STRICT;

CREATE INDEX deleted_with_work ON deleted (seq) WHERE done = 0;
