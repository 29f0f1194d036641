/** Jobs, the latency table, devices and models. */
export const initial = `
CREATE TABLE jobs (
  id               TEXT PRIMARY KEY,
  kind             TEXT NOT NULL,
  request          TEXT NOT NULL,
  status           TEXT NOT NULL CHECK (status IN ('queued', 'running', 'done', 'failed', 'cancelled', 'interrupted')),
  owner_pid        INTEGER,
  owner_start      TEXT,
  worker_pid       INTEGER,
  worker_start     TEXT,
  cancel_requested INTEGER NOT NULL DEFAULT 0,
  attempts         INTEGER NOT NULL DEFAULT 0,
  progress         TEXT,
  result           TEXT,
  error            TEXT,
  created_at       INTEGER NOT NULL,
  started_at       INTEGER,
  finished_at      INTEGER
) STRICT;
CREATE INDEX jobs_by_status ON jobs (status);
CREATE INDEX jobs_by_time ON jobs (created_at);

CREATE TABLE latency (
  device      TEXT NOT NULL,
  processor   TEXT NOT NULL,
  runtime     TEXT NOT NULL,
  signature   TEXT NOT NULL,
  ms          REAL NOT NULL CHECK (ms >= 0),
  kind        TEXT NOT NULL CHECK (kind IN ('measured', 'fitted', 'guessed')),
  measured_at TEXT NOT NULL,
  PRIMARY KEY (device, processor, runtime, signature)
) STRICT, WITHOUT ROWID;

CREATE TABLE devices (
  id         TEXT PRIMARY KEY,
  profile    TEXT NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE models (
  sha256     TEXT PRIMARY KEY,
  path       TEXT NOT NULL,
  bytes      INTEGER NOT NULL,
  mtime_ms   REAL NOT NULL,
  family     TEXT,
  seen_at    INTEGER NOT NULL
) STRICT;
CREATE INDEX models_by_path ON models (path);

CREATE TABLE stage_times (
  kind     TEXT NOT NULL,
  subject  TEXT NOT NULL,
  stage    TEXT NOT NULL,
  seconds  REAL NOT NULL,
  rank     INTEGER NOT NULL,
  at       INTEGER NOT NULL,
  PRIMARY KEY (kind, subject, stage)
) STRICT, WITHOUT ROWID;
`;
