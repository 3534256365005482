-- Readings as packed chunks, with a ring of slots that holds what is not packed yet. Package pack says what is in a chunk, package ring what is
-- in a slot. Times are Unix ms of the hub. The table of readings one by one stays until its rows are packed (legacy.go).

CREATE TABLE ring ( -- written in place, slot after slot: a commit is one page or two
  slot INTEGER PRIMARY KEY,
  data BLOB NOT NULL -- always the same length; package ring
) STRICT;

CREATE TABLE chunk ( -- of one series; chunks of a series do not overlap in time (their ends may touch)
  id        INTEGER PRIMARY KEY,
  series_id INTEGER NOT NULL, -- series.id
  kind      INTEGER NOT NULL, -- 1 numbers, 2 bools, 3 texts
  t0_ms     INTEGER NOT NULL, -- first reading
  t1_ms     INTEGER NOT NULL, -- last reading
  n         INTEGER NOT NULL, -- readings
  n_values  INTEGER NOT NULL, -- readings that have a value
  vmin      REAL,             -- least value of numbers and bools, as vmax and vsum; NULL = no value
  vmax      REAL,
  vsum      REAL,
  data      BLOB NOT NULL     -- package pack
) STRICT;
CREATE INDEX chunk_time ON chunk (series_id, t0_ms);

CREATE TABLE hour ( -- rollup of numbers; kept when the chunks under it are deleted
  series_id INTEGER NOT NULL, -- series.id
  t_ms      INTEGER NOT NULL, -- the hour's first ms
  n         INTEGER NOT NULL, -- readings that have a value
  vmin      REAL NOT NULL,
  vmax      REAL NOT NULL,
  vsum      REAL NOT NULL,    -- from 1e308 up no sum any more, only known to be beyond a REAL
  minutes   INTEGER NOT NULL, -- coverage: bit i is set when minute i has a reading
  PRIMARY KEY (series_id, t_ms)
) STRICT, WITHOUT ROWID;

CREATE TABLE retention ( -- how long readings one by one are kept; the most exact rule wins; no rule = for ever
  device_id INTEGER NOT NULL, -- device.id; 0 = every device
  channel   TEXT NOT NULL,    -- wire id; '' = every channel
  days      INTEGER NOT NULL, -- 0 = for ever
  PRIMARY KEY (device_id, channel)
) STRICT, WITHOUT ROWID;

CREATE TABLE total ( -- of all chunks; the triggers keep it in step, whoever changes chunks
  id       INTEGER PRIMARY KEY CHECK (id = 1),
  readings INTEGER NOT NULL,
  bytes    INTEGER NOT NULL -- of the packed readings
) STRICT;
INSERT INTO total (id, readings, bytes) VALUES (1, 0, 0);

CREATE TRIGGER chunk_added AFTER INSERT ON chunk BEGIN
  UPDATE total SET readings = readings + new.n, bytes = bytes + length(new.data) WHERE id = 1;
END;
CREATE TRIGGER chunk_changed AFTER UPDATE OF n, data ON chunk BEGIN
  UPDATE total SET readings = readings + new.n - old.n, bytes = bytes + length(new.data) - length(old.data) WHERE id = 1;
END;
CREATE TRIGGER chunk_deleted AFTER DELETE ON chunk BEGIN
  UPDATE total SET readings = readings - old.n, bytes = bytes - length(old.data) WHERE id = 1;
END;

-- For people with sqlite3: everything but the packed values. Times in UTC.
CREATE VIEW chunks AS SELECT d.device_id AS device, s.channel, CASE c.kind WHEN 1 THEN 'numbers' WHEN 2 THEN 'bools' ELSE 'texts' END AS kind,
  strftime('%Y-%m-%dT%H:%M:%fZ', c.t0_ms / 1000.0, 'unixepoch') AS "from", strftime('%Y-%m-%dT%H:%M:%fZ', c.t1_ms / 1000.0, 'unixepoch') AS "to",
  c.n, c.vmin AS min, c.vmax AS max, CASE WHEN abs(c.vsum) < 1e308 THEN c.vsum / c.n_values END AS mean, length(c.data) AS bytes
FROM chunk c JOIN series s ON s.id = c.series_id JOIN device d ON d.id = s.device_id WHERE d.device_id IS NOT NULL;

CREATE VIEW hours AS SELECT d.device_id AS device, s.channel, strftime('%Y-%m-%dT%H:%MZ', h.t_ms / 1000, 'unixepoch') AS hour,
  h.n, h.vmin AS min, h.vmax AS max, CASE WHEN abs(h.vsum) < 1e308 THEN h.vsum / h.n END AS mean, h.minutes
FROM hour h JOIN series s ON s.id = h.series_id JOIN device d ON d.id = s.device_id WHERE d.device_id IS NOT NULL;
