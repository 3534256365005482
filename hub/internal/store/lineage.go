package store

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// markerName is the file beside the database that knows the database's newest token.
const markerName = "telltale.life"

// rollEvery is how often the token changes while there are commits: three syncs in ten minutes wear no card.
const rollEvery = 10 * time.Minute

// lineage notices that the database was replaced by an older copy of itself, and then gives it another generation.
//
// Database and marker hold the same random token. It changes at every start and stop and every ten minutes between; a database
// whose token the marker does not know is a copy from before. A copy from less than ten minutes before a crash is not noticed, nor is a
// folder that was copied as a whole, with the marker.
type lineage struct {
	marker string
	rolled time.Time
	log    *slog.Logger
}

const sqlSetMeta = `INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value`

// begin returns the generation, a new one for a database that is a copy. Held by TestARestoredCopyIsAnotherGeneration.
func (l *lineage) begin(c *conn) (generation string, err error) {
	if generation, err = c.identity("generation", 8); err != nil {
		return "", err
	}
	token, err := l.token(c)
	if err != nil {
		return "", err
	}
	marker, err := os.ReadFile(l.marker)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the marker beside the database: %w", err)
	}
	if token != "" && !slices.Contains(strings.Fields(string(marker)), token) {
		generation = randomHex(8)
		if err := c.exec(sqlSetMeta, "generation", generation); err != nil {
			return "", fmt.Errorf("begin a new generation: %w", inWords(err))
		}
		l.log.Warn("the database is a copy from before; readings since then come again as far as devices still have them")
	}
	l.roll(c)
	return generation, nil
}

// rollIfDue is called between transactions.
func (l *lineage) rollIfDue(c *conn) {
	if time.Since(l.rolled) >= rollEvery {
		l.roll(c)
	}
}

// roll changes the token. The marker knows the old and the new one while the database may have either. A full disk leaves all as it was.
func (l *lineage) roll(c *conn) {
	l.rolled = time.Now()
	token, err := l.token(c)
	next := randomHex(8)
	if err == nil {
		err = writeDurably(l.marker, token+" "+next+"\n")
	}
	if err == nil {
		err = c.exec(sqlSetMeta, "token", next)
	}
	if err == nil {
		err = writeDurably(l.marker, next+"\n")
	}
	if err != nil {
		l.log.Warn("a restored copy could not be told from the original now", "err", err)
	}
}

// token returns the database's token; "" before its first.
func (l *lineage) token(c *conn) (token string, err error) {
	if err := c.row(sqlMeta, "token").Scan(&token); err != nil && !isNoRows(err) {
		return "", err
	}
	return token, nil
}

// writeDurably replaces a file in one step; after it returned nil a power cut cannot undo it.
func writeDurably(file, text string) error {
	temporary := file + ".new"
	f, err := os.OpenFile(temporary, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		_ = os.Remove(temporary)
		return err
	}
	if err := os.Rename(temporary, file); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(file))
	if err != nil {
		return err
	}
	_ = dir.Sync() // not every system can
	return dir.Close()
}

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the program instead
	return hex.EncodeToString(b)
}
