package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/telltale-iot/telltale/schema"
)

// ErrTransition is returned for a step that the table of transitions forbids; nothing has changed.
var ErrTransition = errors.New("transition is not allowed")

// ErrUnknownCommand is returned for a step of a command that does not exist.
var ErrUnknownCommand = errors.New("unknown command")

const (
	sqlNextCommandSeq = `UPDATE device SET command_seq = command_seq + 1 WHERE device_id = ?1 RETURNING id, command_seq`
	sqlAddCommand     = `INSERT INTO command (id, key, body, device_id, seq, entity, channel, op, value, actor, reason, asked_ms, deadline_ms,
	state, open, code, message, reported, proof)
	VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)`
	sqlAddStep     = `INSERT INTO command_step (command_id, n, state, at_ms, message) VALUES (?1, ?2, ?3, ?4, ?5)`
	sqlLastCommand = `INSERT INTO command_last (device_id, entity, channel, command_id) VALUES (?1, ?2, ?3, ?4)
	ON CONFLICT DO UPDATE SET command_id = excluded.command_id`
)

// keepCommands is how many commands of a device the ledger keeps: some megabytes, and years of what people ask. Older ones are deleted
// once they are over, with their steps; their keys are free again.
const keepCommands = 10_000

const (
	sqlOldCommands = `SELECT id, entity, channel FROM command WHERE device_id = ?1 AND seq <= ?2 AND open = 0 ORDER BY seq LIMIT 4`
	sqlDropSteps   = `DELETE FROM command_step WHERE command_id = ?1`
	sqlDropLast    = `DELETE FROM command_last WHERE device_id = ?1 AND entity = ?2 AND channel = ?3 AND command_id = ?4`
	sqlDropCommand = `DELETE FROM command WHERE id = ?1`
)

// dropCommands deletes some of the commands that the ledger no longer keeps: more per call than one call adds.
func (w *writer) dropCommands(device, newest int64) error {
	rows, err := w.conn.rows(sqlOldCommands, device, newest-w.keepCommands)
	if err != nil {
		return err
	}
	defer rows.Close()
	var old []schema.Command
	for rows.Next() {
		var c schema.Command
		if err := rows.Scan(&c.ID, &c.Entity, &c.Channel); err != nil {
			return err
		}
		old = append(old, c)
	}
	for _, c := range old {
		err := cmp.Or(w.conn.exec(sqlDropSteps, c.ID), w.conn.exec(sqlDropLast, device, c.Entity, c.Channel, c.ID), w.conn.exec(sqlDropCommand, c.ID))
		if err != nil {
			return fmt.Errorf("drop command=%s: %w", c.ID, err)
		}
	}
	return rows.Err()
}

// CreateCommand stores a new command durably with its state, log and result as given, and gives it its Seq on the device.
//
// body is the fingerprint of what was asked. A key that exists with the same body returns the stored command and existed = true; with
// another body a *schema.Problem of code conflict. The log must be a path that the table of transitions allows (ErrTransition).
// Errors: also ErrUnknownDevice. Of a device the newest 10 000 commands are kept.
// Held by TestTheSameKeyIsTheSameCommand, TestTheLedgerKeepsTheNewestCommands.
func (s *Store) CreateCommand(ctx context.Context, c schema.Command, body string) (stored schema.Command, existed bool, err error) {
	if err := checkLog(c); err != nil {
		return c, false, fmt.Errorf("create command=%s: %w", c.ID, err)
	}
	var got schema.Command
	var there bool
	err = s.writer.do(ctx, func(w *writer) error {
		var have string
		var err error
		got, have, there, err = readCommand(w.conn.row(sqlCommandByKey, c.Key), w.conn.rows)
		switch {
		case err != nil:
			return err
		case there && have != body:
			return schema.Problemf(schema.CodeConflict, "the key %q was used for another command; choose a new key for a new wish", c.Key)
		case there:
			return nil
		}
		got = c
		return w.addCommand(&got, body)
	})
	if err != nil {
		return schema.Command{}, false, fmt.Errorf("create command=%s: %w", c.ID, err)
	}
	return got, there, nil
}

func checkLog(c schema.Command) error {
	if len(c.Log) == 0 || c.Log[0].State != schema.StateQueued || c.Log[len(c.Log)-1].State != c.State {
		return fmt.Errorf("log must go from queued to %s: %w", c.State, ErrTransition)
	}
	for i := 1; i < len(c.Log); i++ {
		if !c.Log[i-1].State.CanBecome(c.Log[i].State) {
			return fmt.Errorf("%s → %s: %w", c.Log[i-1].State, c.Log[i].State, ErrTransition)
		}
	}
	return nil
}

func (w *writer) addCommand(c *schema.Command, body string) error {
	var device, seq int64
	if err := w.conn.row(sqlNextCommandSeq, c.Device).Scan(&device, &seq); err != nil {
		return orUnknown(err, c.Device)
	}
	c.Seq = uint64(seq)
	err := w.conn.exec(sqlAddCommand, c.ID, c.Key, body, device, seq, c.Entity, c.Channel, string(c.Op), valueToSQL(c.Value), c.Actor, c.Reason,
		c.AskedMS, c.DeadlineMS, string(c.State), isOpen(c.State), c.Code, c.Message, valueToSQL(c.Reported), string(c.Proof))
	if err != nil {
		return err
	}
	for n, step := range c.Log {
		if err := w.conn.exec(sqlAddStep, c.ID, n, string(step.State), step.AtMS, step.Message); err != nil {
			return err
		}
	}
	if err := w.conn.exec(sqlLastCommand, device, c.Entity, c.Channel, c.ID); err != nil {
		return err
	}
	return w.dropCommands(device, seq)
}

func isOpen(s schema.CommandState) int64 {
	if s.Final() {
		return 0
	}
	return 1
}

const sqlStepCommand = `UPDATE command SET state = ?2, open = ?3, code = ?4, message = ?5, reported = ?6, proof = ?7 WHERE id = ?1`

// StepCommand makes one durable transition of command r.ID at atMS (Unix ms): to r.State, with r's code, message, reported value and
// proof. It returns the command after it. Errors: ErrTransition when the table forbids it (final states never change),
// ErrUnknownCommand. Held by TestFinalStatesNeverChange.
func (s *Store) StepCommand(ctx context.Context, atMS int64, r schema.CommandReport) (schema.Command, error) {
	var c schema.Command
	err := s.writer.do(ctx, func(w *writer) error {
		var ok bool
		var err error
		c, _, ok, err = readCommand(w.conn.row(sqlCommandByID, r.ID), w.conn.rows)
		if err != nil {
			return err
		}
		if !ok {
			return ErrUnknownCommand
		}
		if !c.State.CanBecome(r.State) {
			return fmt.Errorf("%s → %s: %w", c.State, r.State, ErrTransition)
		}
		c.State, c.Code, c.Message, c.Reported, c.Proof = r.State, r.Code, r.Message, r.Reported, r.Proof
		if err := w.conn.exec(sqlStepCommand, c.ID, string(c.State), isOpen(c.State), c.Code, c.Message, valueToSQL(c.Reported), string(c.Proof)); err != nil {
			return err
		}
		step := schema.CommandStep{State: r.State, AtMS: atMS, Message: r.Message}
		if err := w.conn.exec(sqlAddStep, c.ID, len(c.Log), string(step.State), step.AtMS, step.Message); err != nil {
			return err
		}
		c.Log = append(c.Log, step)
		return nil
	})
	if err != nil {
		return schema.Command{}, fmt.Errorf("step command=%s: %w", r.ID, err)
	}
	return c, nil
}

const (
	commandColumns = `SELECT c.id, c.key, c.body, d.device_id, c.seq, c.entity, c.channel, c.op, c.value, c.actor, c.reason, c.asked_ms,
	c.deadline_ms, c.state, c.code, c.message, c.reported, c.proof `
	sqlCommandByID    = commandColumns + `FROM command c JOIN device d ON d.id = c.device_id WHERE c.id = ?1 AND d.device_id IS NOT NULL`
	sqlCommandByKey   = commandColumns + `FROM command c JOIN device d ON d.id = c.device_id WHERE c.key = ?1 AND d.device_id IS NOT NULL`
	sqlCommandsBefore = commandColumns + `FROM device d JOIN command c ON c.device_id = d.id
	WHERE d.device_id = ?1 AND c.seq < ?2 ORDER BY c.seq DESC LIMIT ?3`
	sqlOpenCommands = commandColumns + `FROM device d JOIN command c ON c.device_id = d.id AND c.open = 1
	WHERE d.device_id = ?1 ORDER BY c.seq`
	sqlAllOpenCommands = commandColumns + `FROM command c INDEXED BY command_open JOIN device d ON d.id = c.device_id
	WHERE c.open = 1 AND d.device_id IS NOT NULL ORDER BY c.device_id, c.seq`
	sqlLatestCommands = commandColumns + `FROM device d JOIN command_last l ON l.device_id = d.id JOIN command c ON c.id = l.command_id
	WHERE d.device_id = ?1 ORDER BY l.entity, l.channel`
	sqlSteps = `SELECT state, at_ms, message FROM command_step WHERE command_id = ?1 ORDER BY n`
)

// queryFunc asks for several rows, on the writer's connection or a reader's.
type queryFunc func(query string, args ...any) (*sql.Rows, error)

func (s *Store) query(ctx context.Context) queryFunc {
	return func(query string, args ...any) (*sql.Rows, error) { return s.read.QueryContext(ctx, query, args...) }
}

// readCommand reads one command with its log; ok = false when there is none.
func readCommand(row scanner, query queryFunc) (c schema.Command, body string, ok bool, err error) {
	c, body, err = scanCommand(row)
	if isNoRows(err) {
		return c, "", false, nil
	}
	if err == nil {
		c.Log, err = readSteps(query, c.ID)
	}
	return c, body, err == nil, err
}

func scanCommand(row scanner) (c schema.Command, body string, err error) {
	var value, reported any
	err = row.Scan(&c.ID, &c.Key, &body, &c.Device, &c.Seq, &c.Entity, &c.Channel, &c.Op, &value, &c.Actor, &c.Reason, &c.AskedMS,
		&c.DeadlineMS, &c.State, &c.Code, &c.Message, &reported, &c.Proof)
	if err != nil {
		return c, "", err
	}
	if c.Value, err = valueFromSQL(value); err != nil {
		return c, "", err
	}
	c.Reported, err = valueFromSQL(reported)
	return c, body, err
}

func readSteps(query queryFunc, id string) ([]schema.CommandStep, error) {
	rows, err := query(sqlSteps, id)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var log []schema.CommandStep
	for rows.Next() {
		var step schema.CommandStep
		if err := rows.Scan(&step.State, &step.AtMS, &step.Message); err != nil {
			return nil, err
		}
		log = append(log, step)
	}
	return log, rows.Err()
}

// readCommands reads commands with their logs. The rows are closed before the logs are read: it needs one connection at a time.
func readCommands(query queryFunc, q string, args ...any) ([]schema.Command, error) {
	rows, err := query(q, args...)
	if err != nil {
		return nil, fmt.Errorf("commands: %w", err)
	}
	defer rows.Close()
	all := []schema.Command{}
	for rows.Next() {
		c, _, err := scanCommand(rows)
		if err != nil {
			return nil, fmt.Errorf("commands: %w", err)
		}
		all = append(all, c)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("commands: %w", err)
	}
	for i := range all {
		if all[i].Log, err = readSteps(query, all[i].ID); err != nil {
			return nil, fmt.Errorf("commands: %w", err)
		}
	}
	return all, nil
}

// Command returns one command; false when there is none.
func (s *Store) Command(ctx context.Context, id string) (schema.Command, bool, error) {
	c, _, ok, err := readCommand(s.read.QueryRowContext(ctx, sqlCommandByID, id), s.query(ctx))
	if err != nil {
		return c, false, fmt.Errorf("command=%s: %w", id, err)
	}
	return c, ok, nil
}

// CommandByKey returns the command that was asked for under a key, and the fingerprint of its body; false when there is none.
func (s *Store) CommandByKey(ctx context.Context, key string) (c schema.Command, body string, ok bool, err error) {
	c, body, ok, err = readCommand(s.read.QueryRowContext(ctx, sqlCommandByKey, key), s.query(ctx))
	if err != nil {
		return c, "", false, fmt.Errorf("command by key: %w", err)
	}
	return c, body, ok, nil
}

// MaxCommands bounds the commands that one list returns.
const MaxCommands = 500

// Commands lists a device's commands, newest first: those with a seq below before (0 = from the newest), at most limit and MaxCommands.
func (s *Store) Commands(ctx context.Context, device string, limit int, before uint64) ([]schema.Command, error) {
	if before == 0 || before > maxSeq {
		before = maxSeq
	}
	return readCommands(s.query(ctx), sqlCommandsBefore, device, int64(before), min(max(limit, 1), MaxCommands))
}

// OpenCommands lists the commands of a device that have no final state, by seq; device "" = of all devices.
func (s *Store) OpenCommands(ctx context.Context, device string) ([]schema.Command, error) {
	if device == "" {
		return readCommands(s.query(ctx), sqlAllOpenCommands)
	}
	return readCommands(s.query(ctx), sqlOpenCommands, device)
}

// LatestCommands returns the newest command of each channel of a device.
func (s *Store) LatestCommands(ctx context.Context, device string) ([]schema.Command, error) {
	return readCommands(s.query(ctx), sqlLatestCommands, device)
}
