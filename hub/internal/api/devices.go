package api

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/telltale-iot/telltale/schema"
)

const (
	// defaultHistory is the span of history when the request says nothing.
	defaultHistory = time.Hour
	// maxChannels bounds the channels of one history request.
	maxChannels = 32
	// maxPoints bounds the points per channel: more than pixels on a wide screen.
	maxPoints = 4000
	// maxReadings bounds the readings of one page.
	maxReadings = 10_000
	// maxChannelName bounds a channel's wire id, in bytes.
	maxChannelName = 129
	// maxCommands bounds the commands of one answer, and defaultCommands is how many there are when nobody chose.
	maxCommands     = 500
	defaultCommands = 50
)

func (s *server) devices(w http.ResponseWriter, r *http.Request) {
	all, err := s.o.Devices.Devices(r.Context())
	if all == nil {
		all = []schema.Device{}
	}
	s.answer(w, r, http.StatusOK, schema.DeviceList{NowMS: time.Now().UnixMilli(), Devices: all}, err)
}

func (s *server) device(w http.ResponseWriter, r *http.Request) {
	if d, ok := s.find(w, r); ok {
		s.answer(w, r, http.StatusOK, d, nil)
	}
}

// find answers the request itself when there is no such device.
func (s *server) find(w http.ResponseWriter, r *http.Request) (schema.Device, bool) {
	id := r.PathValue("id")
	d, ok, err := s.o.Devices.Device(r.Context(), id)
	if err == nil && !ok {
		err = schema.Problemf(schema.CodeUnknownDevice, "there is no device %q", id)
	}
	if err != nil {
		s.fail(w, r, err)
		return schema.Device{}, false
	}
	return d, true
}

func (s *server) patchDevice(w http.ResponseWriter, r *http.Request) {
	var patch schema.DevicePatch
	if !s.read(w, r, &patch) {
		return
	}
	for _, text := range []*string{patch.Name, patch.Area} {
		if text != nil && len(*text) > schema.MaxName {
			s.fail(w, r, schema.Problemf(schema.CodeTooLarge, "a name has at most %d bytes", schema.MaxName))
			return
		}
	}
	if _, ok := s.find(w, r); !ok {
		return
	}
	d, err := s.o.Devices.PatchDevice(r.Context(), r.PathValue("id"), patch)
	s.answer(w, r, http.StatusOK, d, err)
}

func (s *server) forgetDevice(w http.ResponseWriter, r *http.Request) {
	if _, ok := s.find(w, r); !ok {
		return
	}
	if err := s.o.Devices.ForgetDevice(r.Context(), r.PathValue("id")); err != nil {
		s.fail(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *server) history(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	from, to, err := span(q)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	points, err := number(q.Get("points"), "points", 0)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	channels := q["channel"]
	switch {
	case len(channels) == 0 || len(channels) > maxChannels:
		err = schema.Problemf(schema.CodeOutOfRange, "ask for 1 to %d channels: ?channel=air_temperature.state&channel=…", maxChannels)
	case points < 0 || points > maxPoints:
		err = schema.Problemf(schema.CodeOutOfRange, "points must be 1 to %d", maxPoints)
	}
	for _, ch := range channels {
		if len(ch) > maxChannelName {
			err = schema.Problemf(schema.CodeOutOfRange, "a channel is <entity>.<channel>")
		}
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if _, ok := s.find(w, r); !ok {
		return
	}
	h, err := s.o.Records.History(r.Context(), r.PathValue("id"), HistoryQuery{Channels: channels, FromMS: from, ToMS: to, Points: int(points)})
	s.answer(w, r, http.StatusOK, h, err)
}

// span reads from and to; the last hour when they are not there.
func span(q url.Values) (from, to int64, err error) {
	now := time.Now().UnixMilli()
	if to, err = number(q.Get("to"), "to", now); err != nil {
		return 0, 0, err
	}
	if from, err = number(q.Get("from"), "from", to-defaultHistory.Milliseconds()); err != nil {
		return 0, 0, err
	}
	switch {
	case from > to:
		err = schema.Problemf(schema.CodeOutOfRange, "from is after to")
	case from < 0 || to > now+365*24*time.Hour.Milliseconds():
		err = schema.Problemf(schema.CodeOutOfRange, "from and to are Unix milliseconds")
	}
	return from, to, err
}

// readings answers with a page of one channel's readings.
func (s *server) readings(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	from, to, err := span(q)
	limit, err2 := number(q.Get("limit"), "limit", 0)
	channel, after := q.Get("channel"), q.Get("after")
	switch {
	case err != nil:
	case err2 != nil || limit < 0 || limit > maxReadings:
		err = schema.Problemf(schema.CodeOutOfRange, "limit must be 1 to %d", maxReadings)
	case len(q["channel"]) != 1 || channel == "" || len(channel) > maxChannelName:
		err = schema.Problemf(schema.CodeOutOfRange, "ask for one channel: ?channel=air_temperature.state")
	case len(after) > maxChannelName:
		err = schema.Problemf(schema.CodeOutOfRange, "after is what the page before gave as next")
	case after != "" && (q.Get("from") == "" || q.Get("to") == ""):
		err = schema.Problemf(schema.CodeOutOfRange, "a later page needs from and to as the first one had them")
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if _, ok := s.find(w, r); !ok {
		return
	}
	page, err := s.o.Records.Readings(r.Context(), r.PathValue("id"), ReadingsQuery{Channel: channel, FromMS: from, ToMS: to, After: after, Limit: int(limit)})
	s.answer(w, r, http.StatusOK, page, err)
}

func (s *server) commands(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	limit, err := number(q.Get("limit"), "limit", defaultCommands)
	if err == nil && (limit < 1 || limit > maxCommands) {
		err = schema.Problemf(schema.CodeOutOfRange, "limit must be 1 to %d", maxCommands)
	}
	before, err2 := number(q.Get("before"), "before", 0)
	if err == nil && (err2 != nil || before < 0) {
		err = schema.Problemf(schema.CodeOutOfRange, "before is the seq of a command")
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if _, ok := s.find(w, r); !ok {
		return
	}
	all, err := s.o.Records.Commands(r.Context(), r.PathValue("id"), int(limit), uint64(before))
	if all == nil {
		all = []schema.Command{}
	}
	s.answer(w, r, http.StatusOK, schema.CommandList{Commands: all}, err)
}

// number reads a query parameter.
func number(text, name string, otherwise int64) (int64, error) {
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, schema.Problemf(schema.CodeOutOfRange, "%s must be a whole number", name)
	}
	return n, nil
}
