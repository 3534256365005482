package app

import (
	"net/http"
	"strings"
	"testing"

	"github.com/telltale-iot/telltale/hub/internal/store"
	"github.com/telltale-iot/telltale/schema"
)

func TestTheStoragePageSaysWhatIsKept(t *testing.T) {
	r := run(t, t.TempDir())
	d := r.newDevice("lamp")
	p := d.join()
	p.send(reading(1, 20.5), reading(2, 20.6))
	p.acked(2)
	var s schema.Storage
	r.call("GET", "/api/v1/storage", nil, &s)
	if s.State != "ok" || s.Readings != 2 || s.DiskBytes == 0 || s.FileBytes == 0 || s.Wear.EnduranceBytes == 0 || len(s.Retention) != 0 {
		t.Errorf("%+v", s)
	}
}

func TestRetentionIsSetWholeOrNotAtAll(t *testing.T) {
	r := run(t, t.TempDir())
	r.newDevice("lamp").join()
	rules := schema.RetentionRules{Rules: []schema.RetentionRule{{Days: 365}, {Device: "lamp", Ch: "air.state", Days: 30}}}
	var p schema.RetentionPreview
	r.call("POST", "/api/v1/storage/retention/preview", rules, &p)
	if p.Readings != 0 || p.Series == nil {
		t.Errorf("preview %+v", p)
	}
	var s schema.Storage
	r.call("PUT", "/api/v1/storage/retention", rules, &s)
	if len(s.Retention) != 2 {
		t.Errorf("rules %+v", s.Retention)
	}
	for name, body := range map[string]any{
		"nothing":     map[string]any{},
		"an unknown":  schema.RetentionRules{Rules: []schema.RetentionRule{{Device: "nobody", Days: 1}}},
		"a misspelt":  map[string]any{"rules": []map[string]any{{"dayz": 3}}},
		"a negative":  schema.RetentionRules{Rules: []schema.RetentionRule{{Days: -3}}},
		"two alike":   schema.RetentionRules{Rules: []schema.RetentionRule{{Days: 3}, {Days: 4}}},
		"a homeless ": schema.RetentionRules{Rules: []schema.RetentionRule{{Ch: "air.state", Days: 3}}},
	} {
		if resp := r.call("PUT", "/api/v1/storage/retention", body, nil); resp.StatusCode < 400 || resp.StatusCode >= 500 {
			t.Errorf("%s: %s", name, resp.Status)
		}
	}
	if resp := r.call("PUT", "/api/v1/storage/retention", rules, nil, "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"); resp.StatusCode != http.StatusForbidden {
		t.Errorf("another origin's page: %s", resp.Status)
	}
	r.call("GET", "/api/v1/storage", nil, &s)
	if len(s.Retention) != 2 {
		t.Errorf("after refusals: %+v", s.Retention)
	}
}

func TestRoomIsSaidInWords(t *testing.T) {
	for _, c := range []struct {
		room store.Room
		want string
	}{
		{store.Room{State: store.RoomOK}, ""},
		{store.Room{State: store.RoomFull}, "free some space"},
		{store.Room{State: store.RoomTight, GoneBeforeMS: 1_790_000_000_000}, "before 21 September 2026"},
		{store.Room{State: store.RoomTight, Stuck: true}, "Only the newest day"},
		{store.Room{State: store.RoomTight, Stuck: true, FileBytes: 2, BudgetBytes: 1}, "Raise the budget"},
		{store.Room{State: store.RoomOK, GoneBeforeMS: 1_790_000_000_000}, "hourly values stay"},
	} {
		if got := roomInWords(c.room); !strings.Contains(got, c.want) || (c.want == "") != (got == "") {
			t.Errorf("%+v: %q", c.room, got)
		}
	}
}

func TestAmountsAreReadAsPeopleWriteThem(t *testing.T) {
	for text, want := range map[string]Bytes{"8GB": 8_000_000_000, "500 MiB": 500 << 20, "0": 0, "1234": 1234} {
		var b Bytes
		if err := b.UnmarshalText([]byte(text)); err != nil || b != want {
			t.Errorf("%s is %d, %v", text, b, err)
		}
	}
	for _, text := range []string{"", "lots", "-3GB", "99999999999999TB"} {
		var b Bytes
		if err := b.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is %d", text, b)
		}
	}
}
