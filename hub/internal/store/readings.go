package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/telltale-iot/telltale/schema"
)

// Reading is one stored reading.
type Reading struct {
	Channel string             // wire id
	TMS     int64              // Unix ms
	Value   schema.Value       // in the channel's unit
	Quality schema.Quality     // never ""
	Time    schema.TimeQuality // never ""
}

// Scan calls fn for every reading of a channel from fromMS to toMS, both included, oldest first; those of one ms in the order they came.
//
// It reads in short transactions, each at a moment of its own, and never keeps the file from being written, however long fn takes. Errors: a
// *schema.Problem for a device or channel that is not known; fn's own, which ends the scan; ctx's.
func (s *Store) Scan(ctx context.Context, device, channel string, fromMS, toMS int64, fn func(Reading) error) error {
	sources, err := s.sources(ctx, device, []string{channel})
	if err != nil || sources[0].id == 0 {
		return err
	}
	return s.scanReadings(ctx, sources[0], fromMS, toMS, fn)
}

func (s *Store) scanReadings(ctx context.Context, src source, fromMS, toMS int64, fn func(Reading) error) error {
	return s.scan(ctx, src.id, fromMS, toMS, needReadings, func(p *point) error {
		return fn(Reading{Channel: src.channel, TMS: p.tMS, Value: p.value(), Quality: qualityFromSQL(int64(p.mark.Quality())),
			Time: timeQualityFromSQL(int64(p.mark.Time()))})
	})
}

// Audit calls fn for every reading of a device, channel by channel, for a checker that compares them with what was generated. Errors as
// of [Store.Scan].
func (s *Store) Audit(ctx context.Context, device string, fn func(Reading) error) error {
	ids, channels, err := s.seriesList(ctx, device)
	if err != nil {
		return fmt.Errorf("audit device=%s: %w", device, err)
	}
	for i, id := range ids {
		if err := s.scanReadings(ctx, source{id: id, channel: channels[i]}, math.MinInt64+1, math.MaxInt64-1, fn); err != nil {
			return fmt.Errorf("audit device=%s channel=%s: %w", device, channels[i], err)
		}
	}
	return nil
}

const (
	// MaxReadings bounds the readings of one page.
	MaxReadings = 10_000
	// DefaultReadings is for a page that does not say.
	DefaultReadings = 1000
)

// errPage ends a scan at a page's end.
var errPage = errors.New("the page is full")

// ReadingsQuery asks for a page of one channel's readings one by one.
type ReadingsQuery struct {
	Channel string // wire id
	FromMS  int64  // first ms, Unix ms
	ToMS    int64  // last ms, Unix ms
	After   string // Next of the page before; "" = from the first
	Limit   int    // most readings, 1 to MaxReadings; 0 = DefaultReadings
}

// Readings returns readings one by one, oldest first, and where the next page begins. Errors: *schema.Problem as of [Store.History].
// What is stored between two pages is in the later one if it belongs there. Held by TestEverythingStoredIsReadBack.
func (s *Store) Readings(ctx context.Context, device string, q ReadingsQuery) (schema.ReadingPage, error) {
	page := schema.ReadingPage{Ch: q.Channel, TMS: []int64{}, V: schema.Values{}}
	from, skip, p := q.check()
	if p != nil {
		return page, p
	}
	sources, err := s.sources(ctx, device, []string{q.Channel})
	if err != nil || sources[0].id == 0 {
		return page, err
	}
	at, passed := from, 0 // the ms of the last reading, and how many of it have gone by
	err = s.scan(ctx, sources[0].id, from, q.ToMS, needReadings, func(x *point) error {
		if x.tMS == from && passed < skip {
			passed++
			return nil
		}
		if len(page.TMS) == q.Limit {
			page.Next = strconv.FormatInt(at, 10) + "." + strconv.Itoa(passed)
			return errPage
		}
		if x.tMS != at {
			at, passed = x.tMS, 0
		}
		passed++
		appendReading(&page, x)
		return nil
	})
	if err != nil && !errors.Is(err, errPage) {
		return page, fmt.Errorf("readings device=%s channel=%s: %w", device, q.Channel, err)
	}
	return page, nil
}

// appendReading appends a reading; the columns of qualities begin with the first one that needs them.
func appendReading(page *schema.ReadingPage, x *point) {
	n := len(page.TMS)
	page.TMS, page.V = append(page.TMS, x.tMS), append(page.V, x.value())
	if q := x.mark.Quality(); q != 0 || page.Q != nil {
		for len(page.Q) < n {
			page.Q = append(page.Q, schema.QualityOK)
		}
		page.Q = append(page.Q, qualityFromSQL(int64(q)))
	}
	if t := x.mark.Time(); t != 0 || page.Time != nil {
		for len(page.Time) < n {
			page.Time = append(page.Time, schema.TimeSynced)
		}
		page.Time = append(page.Time, timeQualityFromSQL(int64(t)))
	}
}

// check returns where the page begins, and how many readings of that ms are on earlier pages.
func (q *ReadingsQuery) check() (fromMS int64, skip int, p *schema.Problem) {
	if q.Limit == 0 {
		q.Limit = DefaultReadings
	}
	h := HistoryQuery{Channels: []string{q.Channel}, FromMS: q.FromMS, ToMS: q.ToMS}
	if p := h.check(); p != nil {
		return 0, 0, p
	}
	if q.Limit < 1 || q.Limit > MaxReadings {
		return 0, 0, schema.Problemf(schema.CodeOutOfRange, "ask for 1 to %d readings, not %d", MaxReadings, q.Limit)
	}
	if q.After == "" {
		return q.FromMS, 0, nil
	}
	ms, count, _ := strings.Cut(q.After, ".")
	at, err := strconv.ParseInt(ms, 10, 64)
	skip, err2 := strconv.Atoi(count)
	if err != nil || err2 != nil || skip < 0 || at < q.FromMS || at > q.ToMS {
		return 0, 0, schema.Problemf(schema.CodeOutOfRange, "after is what the page before gave as next, for the same from and to")
	}
	return at, skip, nil
}
