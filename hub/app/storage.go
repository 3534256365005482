package app

import (
	"context"
	"fmt"
	"time"

	"github.com/telltale-iot/telltale/hub/internal/api"
	"github.com/telltale-iot/telltale/hub/internal/store"
	"github.com/telltale-iot/telltale/hub/internal/wear"
	"github.com/telltale-iot/telltale/schema"
)

// storage is what the storage page asks of the hub: api.Storage.
type storage struct{ h *Hub }

var _ api.Storage = storage{}

// Storage puts together what the store holds, how much room there is and what the disk suffers.
func (s storage) Storage(ctx context.Context) (schema.Storage, error) {
	held, err := s.h.store.Held(ctx)
	if err != nil {
		return schema.Storage{}, err
	}
	rules, err := s.h.store.Retention(ctx)
	if err != nil {
		return schema.Storage{}, err
	}
	room, pace := s.h.store.Room(), s.h.wear.Pace()
	a := schema.Storage{
		State: string(room.State), Message: roomInWords(room), FileBytes: room.FileBytes, FreeBytes: room.FreeBytes, DiskBytes: room.DiskBytes,
		BudgetBytes: room.BudgetBytes, Readings: held.Readings, ReadingBytes: held.Bytes, OldestMS: held.OldestMS, Retention: rules,
	}
	a.Wear = schema.Wear{
		WrittenBytes: pace.Written, SinceMS: pace.Since.UnixMilli(), PerDayBytes: pace.BytesPerDay, EnduranceBytes: s.h.config.CardEndurance.Int64(),
		BytesPerReading: pace.BytesPerReading,
	}
	if a.Wear.EnduranceBytes == 0 {
		a.Wear.EnduranceBytes = wear.Endurance(room.DiskBytes)
	}
	a.Backup = s.h.backups.Newest()
	a.Wear.LastsDays = wear.Days(a.Wear.EnduranceBytes, pace.BytesPerDay)
	if held.Packed > 0 {
		a.GrowthPerDay = int64(float64(pace.ReadingsPerDay) * float64(held.Bytes) / float64(held.Packed))
	}
	return a, nil
}

// SetRetention puts rules in the place of those before.
func (s storage) SetRetention(ctx context.Context, rules []schema.RetentionRule) error {
	return s.h.store.SetRetention(ctx, rules)
}

// PreviewRetention says what rules would delete.
func (s storage) PreviewRetention(ctx context.Context, rules []schema.RetentionRule) (schema.RetentionPreview, error) {
	return s.h.store.PreviewRetention(ctx, rules)
}

// roomInWords says what a person should know of the room on the disk beside its state; "" = nothing.
func roomInWords(r store.Room) string {
	gone := ""
	if r.GoneBeforeMS > 0 {
		gone = fmt.Sprintf(" Readings before %s were deleted; their hourly values stay.", time.UnixMilli(r.GoneBeforeMS).UTC().Format("2 January 2006"))
	}
	switch {
	case r.State == store.RoomFull:
		return "Nothing is stored until there is room. Devices keep their readings meanwhile: free some space on the hub's disk." + gone
	case r.State == store.RoomTight && r.Stuck && r.BudgetBytes > 0 && r.FileBytes > r.BudgetBytes:
		return "The newest day alone takes more than the storage budget. Raise the budget, or measure less often." + gone
	case r.State == store.RoomTight && r.Stuck:
		return "Only the newest day of readings is left: free some space on the hub's disk." + gone
	case r.State == store.RoomTight:
		return "The store grows no more: its oldest readings make room for new ones." + gone
	case gone != "":
		return "There was too little room." + gone
	}
	return ""
}
