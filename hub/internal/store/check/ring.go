package check

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"

	"github.com/telltale-iot/telltale/hub/internal/store/ring"
)

// ring looks at every slot of the log and counts the readings that are not packed yet.
func (c *checker) ring(context.Context) error {
	var text string
	err := c.row(`SELECT value FROM meta WHERE name = 'flushed'`).Scan(&text)
	if err == nil {
		if c.flushed, err = strconv.ParseUint(text, 10, 64); err != nil {
			c.r.add(Finding{What: fmt.Sprintf("the log's position %q is no number", text)})
			return nil
		}
	}
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	l := NewLog(c.flushed)
	err = c.each(`SELECT slot, data FROM ring ORDER BY slot`, func(scan func(...any) error) error {
		var place int64
		var data []byte
		if err := scan(&place, &data); err != nil {
			return err
		}
		l.Slot(place, data)
		return nil
	})
	if err != nil {
		return err
	}
	for _, f := range l.Findings() {
		c.r.add(f)
	}
	for _, s := range l.Live() {
		c.r.Slots++
		if err := s.Frames(func(*ring.Frame) error { return nil }, func(_ *ring.Frame, run *ring.Run) { c.r.Readings += int64(run.Len()) }); err != nil {
			c.r.add(Finding{What: fmt.Sprintf("slot %d of the log cannot be taken apart", s.Number)})
		}
	}
	return nil
}
