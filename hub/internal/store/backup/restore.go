package backup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/telltale-iot/telltale/hub/internal/store"
	"github.com/telltale-iot/telltale/hub/internal/store/check"
)

// RestoreOptions says what [Restore] puts where.
type RestoreOptions struct {
	// File is the backup.
	File string
	// Data is the data folder; it is made when it does not exist.
	Data string
	// Replace allows a folder that has a store already; that one is kept aside.
	Replace bool
	// Progress hears from 0 to 1; nil = nobody listens.
	Progress func(float64)
	// At is the time in the name of a store that is kept aside.
	At time.Time
}

// Restored says what a restore did.
type Restored struct {
	// Report of the check of what was put in place.
	Report *check.Report
	// Aside is where the store of before is kept; "" = there was none.
	Aside string
}

// NotGood is the error of a restore of a file that has damage: the report says where.
type NotGood struct{ Report *check.Report }

// Error says the first of what is wrong.
func (e *NotGood) Error() string {
	return fmt.Sprintf("the file is damaged and was not restored: %v", errLines(e.Report.Findings[0].String(), len(e.Report.Findings)+e.Report.More-1))
}

// Restore puts a backup in the place of a folder's store, in one step at its end: until then nothing has changed.
//
// It copies the file first and checks the copy, so what is put in place is what was checked. At the hub's next start the store has another
// generation: every device sends again what it still has. Errors are for people: a hub runs on the folder ([store.ErrInUse]), the folder
// has a store and Replace is not set, a damaged file ([NotGood]), no room.
func Restore(ctx context.Context, o RestoreOptions) (r Restored, err error) {
	unlock, err := store.Lock(o.Data)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	file := store.File(o.Data)
	there := taken(file)
	if there && !o.Replace {
		return r, fmt.Errorf("%s has a store already; with --replace it is kept aside and the backup takes its place", o.Data)
	}
	if there && sameFile(o.File, file) {
		return r, fmt.Errorf("%s is the folder's own store", o.File)
	}
	part := file + ".restored"
	if err := os.Remove(part); err != nil && !errors.Is(err, os.ErrNotExist) { // of a restore that was interrupted
		return r, err
	}
	progress := o.Progress
	if progress == nil {
		progress = func(float64) {}
	}
	if _, err := store.CopyFile(ctx, o.File, part, func(p float64) { progress(copyShare * p) }); err != nil {
		return r, err
	}
	r.Report, err = check.File(ctx, part, func(p float64) { progress(copyShare + (1-copyShare)*p) })
	if err == nil && !r.Report.OK() {
		err = &NotGood{r.Report}
	}
	if err != nil {
		return r, errors.Join(err, os.Remove(part))
	}
	aside := filepath.Join(o.Data, o.At.UTC().Format("telltale-replaced-2006-01-02T150405.000Z.db"))
	if err := store.Replace(o.Data, part, aside); err != nil {
		return r, err
	}
	if there {
		r.Aside = aside
	}
	return r, nil
}

func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	y, err2 := os.Stat(b)
	return err == nil && err2 == nil && os.SameFile(x, y)
}
