-- A job's state is in columns where something searches by it, the rest of what
-- the program knows of it in JSON.
CREATE TABLE jobs (
  seq        INTEGER PRIMARY KEY AUTOINCREMENT,
  project    TEXT NOT NULL,
  id         TEXT NOT NULL,
  spec       TEXT NOT NULL,              -- job.Spec without its labels
  document   TEXT NOT NULL,              -- as the user sent it
  wire       TEXT NOT NULL,
  labels     TEXT NOT NULL,
  state      TEXT NOT NULL,
  cancel     TEXT,                       -- job.Cancel
  created    INTEGER NOT NULL,           -- nanoseconds since 1970
  started    INTEGER NOT NULL DEFAULT 0,
  ended      INTEGER NOT NULL DEFAULT 0,
  error      TEXT NOT NULL DEFAULT '',
  version    INTEGER NOT NULL DEFAULT 1,
  request_id TEXT NOT NULL DEFAULT '',
  attempt    INTEGER NOT NULL DEFAULT 0, -- number of the current one
  usage      TEXT NOT NULL DEFAULT '{}',
  cleaned    INTEGER NOT NULL DEFAULT 0, -- the executor holds nothing of it any more
  UNIQUE (project, id)
) STRICT;

CREATE INDEX jobs_by_project ON jobs (project, seq DESC);
CREATE INDEX jobs_with_work ON jobs (seq) WHERE cleaned = 0;

CREATE TABLE attempts (
  job      INTEGER NOT NULL REFERENCES jobs (seq),
  number   INTEGER NOT NULL,
  state    TEXT NOT NULL,
  created  INTEGER NOT NULL,
  running  INTEGER NOT NULL DEFAULT 0,
  ended    INTEGER NOT NULL DEFAULT 0,
  handle   TEXT NOT NULL DEFAULT '',
  owner    TEXT NOT NULL DEFAULT '',
  lease    INTEGER NOT NULL DEFAULT 0,
  cause    TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (job, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE replicas (
  job     INTEGER NOT NULL REFERENCES jobs (seq),
  attempt INTEGER NOT NULL,
  role    TEXT NOT NULL,
  idx     INTEGER NOT NULL,
  run     INTEGER NOT NULL,
  address TEXT NOT NULL DEFAULT '',
  state   TEXT NOT NULL,
  started INTEGER NOT NULL DEFAULT 0,
  ended   INTEGER NOT NULL DEFAULT 0,
  exit    TEXT,                          -- job.Exit
  PRIMARY KEY (job, attempt, role, idx)
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
  seq      INTEGER PRIMARY KEY AUTOINCREMENT,
  job      INTEGER NOT NULL REFERENCES jobs (seq),
  name     TEXT NOT NULL,
  time     INTEGER NOT NULL,
  step     TEXT NOT NULL DEFAULT '',
  text     TEXT NOT NULL DEFAULT '',
  service  INTEGER NOT NULL DEFAULT 0,
  severity TEXT NOT NULL DEFAULT '',
  took     INTEGER NOT NULL DEFAULT 0,   -- nanoseconds
  attempt  INTEGER NOT NULL DEFAULT 0,
  task     TEXT NOT NULL DEFAULT '',
  UNIQUE (job, name)
) STRICT;

CREATE INDEX events_by_job ON events (job, seq);
