package app

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/hub/internal/store/backup"
	"github.com/telltale-iot/telltale/hub/internal/store/check"
	"github.com/telltale-iot/telltale/schema"
)

// backup makes a backup through the API and returns it when it is done.
func (r *running) backup() schema.Backup {
	r.t.Helper()
	var b schema.Backup
	if resp := r.call("POST", "/api/v1/storage/backups", nil, &b); resp.StatusCode != http.StatusAccepted {
		r.t.Fatal(resp.Status)
	}
	for range 10_000 {
		var list schema.BackupList
		r.call("GET", "/api/v1/storage/backups", nil, &list)
		if b = list.Backups[0]; b.EndedMS > 0 {
			break
		}
	}
	if b.State != "done" {
		r.t.Fatalf("%+v", b)
	}
	return b
}

func TestABackupIsMadeFetchedAndDeleted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := run(t, dir)
	agent := r.newDevice("pi").join()
	for seq := range uint64(20) {
		agent.send(reading(seq+1, float64(seq)))
	}
	agent.acked(20)
	b := r.backup()
	if b.Readings != 20 || b.Progress != 1 {
		t.Errorf("%+v", b)
	}
	resp, err := http.Get("http://" + r.base + "/api/v1/storage/backups/" + b.Name)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	fetched := filepath.Join(t.TempDir(), "fetched.db")
	body, err := io.ReadAll(resp.Body)
	if err != nil || int64(len(body)) != b.Bytes {
		t.Fatalf("%d bytes of %d, %v", len(body), b.Bytes, err)
	}
	if err := os.WriteFile(fetched, body, 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err := check.File(t.Context(), fetched, nil); err != nil || !c.OK() || c.Readings != 20 {
		t.Errorf("%+v, %v", c, err)
	}
	for _, name := range []string{"telltale.db", "..%2Ftelltale.db", "%2Fetc%2Fpasswd"} {
		if resp := r.call("GET", "/api/v1/storage/backups/"+name, nil, nil); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", name, resp.Status)
		}
	}
	if resp := r.call("DELETE", "/api/v1/storage/backups/"+b.Name, nil, nil); resp.StatusCode != http.StatusNoContent {
		t.Error(resp.Status)
	}
	if resp := r.call("GET", "/api/v1/storage/backups/"+b.Name, nil, nil); resp.StatusCode != http.StatusNotFound {
		t.Errorf("after it was deleted: %s", resp.Status)
	}
}

// A backup of yesterday is put back. The device has acked readings since; it still has the newest of them. Afterwards each of its numbers is
// stored or in a gap, and none is both.
func TestARestoredBackupIsRefilledByItsDevices(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := run(t, dir)
	d := r.newDevice("pi")
	agent := d.join()
	send := func(from, to uint64) {
		t.Helper()
		for seq := from; seq <= to; seq++ {
			agent.send(reading(seq, float64(seq)))
		}
		agent.acked(to)
	}
	send(1, 10)
	b := r.backup()
	send(11, 20)
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "backups", b.Name)
	if _, err := backup.Restore(t.Context(), backup.RestoreOptions{File: file, Data: dir, Replace: true, At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	r = run(t, dir)
	d.r = r
	p, c := d.dial()
	hello := d.hello(c)
	hello.First, hello.Last = 16, 20 // the older ones it has thrown away when they were acked
	p.send(hello)
	w := until(p, first[*schema.Welcome])
	if len(w.Have) != 1 || w.Have[0] != (schema.Range{1, 10}) {
		t.Errorf("the restored hub says it has %v", w.Have)
	}
	agent = p
	send(16, 20)
	h := schema.History{}
	for range 10_000 { // the gap is stored beside the ack
		r.call("GET", "/api/v1/devices/pi/history?channel=air.state", nil, &h)
		if len(h.Gaps) > 0 {
			break
		}
	}
	var got []float64
	for i := range h.Series[0].Mean {
		for range h.Series[0].Count[i] {
			got = append(got, h.Series[0].Mean[i])
		}
	}
	stored := map[uint64]bool{}
	for _, v := range got {
		if stored[uint64(v)] {
			t.Errorf("%v is stored twice", v)
		}
		stored[uint64(v)] = true
	}
	for _, g := range h.Gaps {
		for seq := g.First; seq > 0 && seq <= g.Last; seq++ {
			if stored[seq] {
				t.Errorf("%d is stored and in a gap", seq)
			}
			stored[seq] = true
		}
	}
	for seq := uint64(1); seq <= 20; seq++ {
		if !stored[seq] {
			t.Errorf("%d is neither stored nor in a gap; gaps %+v", seq, h.Gaps)
		}
	}
}
