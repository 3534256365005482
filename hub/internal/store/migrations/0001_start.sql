-- The first shape of the store. Times are Unix ms of the hub. Applied in one transaction together with user_version.
-- A reference is declared only where the referring table has an index for it: deleting the row referred to would scan otherwise.

CREATE TABLE meta (
  name  TEXT PRIMARY KEY, -- 'hub_id' (32 hex digits), 'generation', 'token' (16 hex digits)
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE device (
  id              INTEGER PRIMARY KEY,
  device_id       TEXT UNIQUE,                -- as on the wire; NULL = forgotten, its rows are being deleted
  own_name        TEXT NOT NULL,              -- what it called itself at pairing
  name            TEXT,                       -- what people call it; NULL = its own name
  area            TEXT,                       -- where people put it; NULL = its own area
  public_key      BLOB NOT NULL,              -- ed25519, 32 bytes
  paired_ms       INTEGER NOT NULL,
  last_seen_ms    INTEGER NOT NULL DEFAULT 0, -- 0 = never
  command_seq     INTEGER NOT NULL DEFAULT 0, -- seq of its newest command
  descriptor_hash TEXT,
  descriptor      TEXT                        -- schema.Descriptor as JSON; NULL = never described
) STRICT;
CREATE UNIQUE INDEX device_key ON device (public_key) WHERE device_id IS NOT NULL;

CREATE TABLE boot (
  device_id    INTEGER NOT NULL REFERENCES device (id),
  boot_id      TEXT NOT NULL,    -- as the agent named it
  offset_ms    INTEGER NOT NULL, -- hub's clock minus the boot's monotonic clock, ms
  time_quality INTEGER NOT NULL, -- 1 relative: measured at a hello; 2 estimated: guessed
  saved_ms     INTEGER NOT NULL,
  PRIMARY KEY (device_id, boot_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE epoch (
  id        INTEGER PRIMARY KEY,
  device_id INTEGER NOT NULL REFERENCES device (id),
  epoch     TEXT NOT NULL, -- 16 hex digits, made with each new outbox
  UNIQUE (device_id, epoch)
) STRICT;

CREATE TABLE received ( -- closed ranges of seq that are stored or known gaps; disjoint and never touching
  epoch_id INTEGER NOT NULL REFERENCES epoch (id),
  first    INTEGER NOT NULL,
  last     INTEGER NOT NULL,
  PRIMARY KEY (epoch_id, first)
) STRICT, WITHOUT ROWID;

CREATE TABLE series (
  id        INTEGER PRIMARY KEY,
  device_id INTEGER NOT NULL REFERENCES device (id),
  channel   TEXT NOT NULL, -- wire id, '<entity>.<channel>'
  UNIQUE (device_id, channel)
) STRICT;

CREATE TABLE reading (
  series_id    INTEGER NOT NULL, -- series.id; not a declared reference, that would cost a look-up per row
  t_ms         INTEGER NOT NULL,
  epoch_id     INTEGER NOT NULL, -- epoch.id
  seq          INTEGER NOT NULL, -- of the frame it came in
  n            INTEGER NOT NULL, -- 0, or 1.. for further readings of the series at the same ms in the same frame
  value        ANY,              -- REAL number in the channel's unit, INTEGER bool, TEXT string, NULL no value
  quality      INTEGER NOT NULL, -- 0 ok, 1 fault, 2 range, 3 stale, 4 sim
  time_quality INTEGER NOT NULL, -- 0 synced, 1 relative, 2 estimated, 3 skewed
  PRIMARY KEY (series_id, t_ms, epoch_id, seq, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE gap (
  id        INTEGER PRIMARY KEY,
  device_id INTEGER NOT NULL REFERENCES device (id),
  epoch_id  INTEGER,                       -- epoch.id; NULL = nothing was numbered
  first     INTEGER NOT NULL,              -- lost seq, from; 0 = nothing was numbered
  last      INTEGER NOT NULL,              -- lost seq, to
  channel   TEXT,                          -- wire id; NULL = the whole device
  from_ms   INTEGER NOT NULL,
  to_ms     INTEGER NOT NULL,
  reason    TEXT NOT NULL                  -- schema.GapReason
) STRICT;
CREATE INDEX gap_time ON gap (device_id, to_ms, from_ms);

CREATE TABLE event (
  device_id    INTEGER NOT NULL REFERENCES device (id),
  t_ms         INTEGER NOT NULL,
  epoch_id     INTEGER NOT NULL, -- epoch.id
  seq          INTEGER NOT NULL,
  time_quality INTEGER NOT NULL, -- as in reading
  type         TEXT NOT NULL,
  entity       TEXT,             -- NULL = the whole device
  message      TEXT NOT NULL,
  PRIMARY KEY (device_id, t_ms, epoch_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE command (
  id          TEXT PRIMARY KEY,  -- 32 hex digits
  key         TEXT NOT NULL UNIQUE, -- of who asked: asking again is safe
  body        TEXT NOT NULL,     -- fingerprint of what was asked under the key
  device_id   INTEGER NOT NULL REFERENCES device (id),
  seq         INTEGER NOT NULL,  -- rises per device
  entity      TEXT NOT NULL,
  channel     TEXT NOT NULL,
  op          TEXT NOT NULL,     -- 'set', 'pulse'
  value       ANY,               -- as in reading
  actor       TEXT NOT NULL,
  reason      TEXT NOT NULL,
  asked_ms    INTEGER NOT NULL,
  deadline_ms INTEGER NOT NULL,
  state       TEXT NOT NULL,     -- schema.CommandState
  open        INTEGER NOT NULL,  -- 1 until the state is final
  code        TEXT NOT NULL,
  message     TEXT NOT NULL,
  reported    ANY,               -- value read back; NULL = nothing read
  proof       TEXT NOT NULL,     -- schema.Proof
  UNIQUE (device_id, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX command_open ON command (device_id, seq) WHERE open = 1;

CREATE TABLE command_step ( -- every transition
  command_id TEXT NOT NULL REFERENCES command (id),
  n          INTEGER NOT NULL, -- 0..
  state      TEXT NOT NULL,
  at_ms      INTEGER NOT NULL,
  message    TEXT NOT NULL,
  PRIMARY KEY (command_id, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE command_last ( -- the newest command of each channel
  device_id  INTEGER NOT NULL REFERENCES device (id),
  entity     TEXT NOT NULL,
  channel    TEXT NOT NULL,
  command_id TEXT NOT NULL, -- command.id
  PRIMARY KEY (device_id, entity, channel)
) STRICT, WITHOUT ROWID;
