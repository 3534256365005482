-- The oldest boots of a device are forgotten when there are many.
CREATE INDEX boot_saved ON boot (device_id, saved_ms);
