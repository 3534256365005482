package app

import (
	"sync/atomic"

	"github.com/telltale-iot/telltale/hub/internal/store"
)

// commitCounts are numbers that the parts tell instead of keeping.
type commitCounts struct {
	commits, failures, frames, readings, repeats atomic.Uint64
	encodings, encodedBytes                      atomic.Uint64
}

func (c *commitCounts) encoded(bytes int) {
	c.encodings.Add(1)
	c.encodedBytes.Add(uint64(bytes))
}

// committed hears of every group commit of the store.
func (h *Hub) committed(i store.CommitInfo) {
	c := &h.commits
	h.metrics.Commit(i.Took)
	if i.Err != nil {
		c.failures.Add(1)
		return
	}
	c.commits.Add(1)
	c.frames.Add(uint64(i.Frames))
	c.readings.Add(uint64(i.Readings))
	c.repeats.Add(uint64(i.Duplicates))
}

// countAll registers every number of the hub.
func (h *Hub) countAll() {
	m, c := h.metrics, &h.commits
	total := func(name, help string, n *atomic.Uint64) {
		m.Counter(name, help, func() float64 { return float64(n.Load()) })
	}
	total("telltale_store_commits_total", "Group commits.", &c.commits)
	total("telltale_store_commit_failures_total", "Group commits that failed; nothing of them was acked.", &c.failures)
	total("telltale_store_frames_total", "Frames of devices stored.", &c.frames)
	total("telltale_store_readings_total", "Readings stored.", &c.readings)
	total("telltale_store_repeats_total", "Frames that were stored already.", &c.repeats)
	total("telltale_room_encodings_total", "Frames encoded for dashboards; many receivers share one.", &c.encodings)
	total("telltale_room_encoded_bytes_total", "Bytes of these frames.", &c.encodedBytes)
	m.Gauge("telltale_store_queued_readings", "Readings that wait for a commit.", func() float64 { n, _ := h.store.Queued(); return float64(n) })
	m.Gauge("telltale_store_queued_jobs", "Other writes that wait for a commit.", func() float64 { _, n := h.store.Queued(); return float64(n) })
	m.Gauge("telltale_disk_free_bytes", "Room on the store's disk.", func() float64 { return float64(h.store.Room().FreeBytes) })
	m.Gauge("telltale_store_file_bytes", "Size of the store's files.", func() float64 { return float64(h.store.Room().FileBytes) })
	m.Gauge("telltale_store_room", "Room for readings: 0 enough, 1 tight (the oldest go), 2 full (nothing is stored).", h.roomNumber)
	m.Counter("telltale_disk_written_bytes_total", "Bytes that the hub handed to its disk.", func() float64 { return float64(h.wear.Pace().Written) })
	m.Gauge("telltale_rooms", "Rooms: one per device and the fleet.", func() float64 { return float64(h.rooms.Count()) })
	m.Gauge("telltale_devices", "Devices paired.", func() float64 { n, _ := h.presence.Count(); return float64(n) })
	m.Gauge("telltale_devices_online", "Devices connected.", func() float64 { _, n := h.presence.Count(); return float64(n) })
	h.countIngest()
	h.countSocket()
}

func (h *Hub) roomNumber() float64 {
	switch h.store.Room().State {
	case store.RoomTight:
		return 1
	case store.RoomFull:
		return 2
	}
	return 0
}

func (h *Hub) countIngest() {
	for name, c := range map[string]struct {
		help string
		read func() uint64
	}{
		"telltale_ingest_frames_total":   {"Frames accepted from devices.", func() uint64 { return h.ingest.Stats().Frames }},
		"telltale_ingest_readings_total": {"Readings in them.", func() uint64 { return h.ingest.Stats().Readings }},
		"telltale_ingest_refused_total":  {"Frames of devices refused.", func() uint64 { return h.ingest.Stats().Refused }},
		"telltale_ingest_skewed_total":   {"Frames whose device's clock was not believed.", func() uint64 { return h.ingest.Stats().Skewed }},
		"telltale_ingest_failed_total":   {"Frames that could not be committed.", func() uint64 { return h.ingest.Stats().Failed }},
	} {
		h.metrics.Counter(name, c.help, func() float64 { return float64(c.read()) })
	}
}

func (h *Hub) countSocket() {
	stats := h.socket.Stats
	for name, c := range map[string]struct {
		help string
		read func() uint64
	}{
		"telltale_socket_messages_in_total":  {"Messages received.", func() uint64 { return stats().MessagesIn }},
		"telltale_socket_messages_out_total": {"Messages sent.", func() uint64 { return stats().MessagesOut }},
		"telltale_socket_bytes_in_total":     {"Bytes of messages received.", func() uint64 { return stats().BytesIn }},
		"telltale_socket_bytes_out_total":    {"Bytes of messages sent.", func() uint64 { return stats().BytesOut }},
		"telltale_socket_problems_total":     {"Problems told to agents and pages.", func() uint64 { return stats().Problems }},
		"telltale_socket_refused_total":      {"Connections refused before they were known.", func() uint64 { return stats().Refused }},
		"telltale_socket_stalls_total":       {"Writes that had to wait for a receiver.", func() uint64 { return stats().Stalls }},
		"telltale_socket_no_credit_total":    {"Times a page was skipped because it was behind.", func() uint64 { return stats().OutOfCredit }},
		"telltale_socket_tail_dropped_total": {"Frames that a slow watcher of the wire missed.", func() uint64 { return stats().TapDropped }},
	} {
		h.metrics.Counter(name, c.help, func() float64 { return float64(c.read()) })
	}
	h.metrics.Gauge("telltale_agents_connected", "Agents connected.", func() float64 { return float64(stats().Agents) })
	h.metrics.Gauge("telltale_pages_connected", "Dashboards connected.", func() float64 { return float64(stats().Pages) })
	h.metrics.Gauge("telltale_unknown_connected", "Connections that have not said who they are.", func() float64 { return float64(stats().Unknown) })
}
