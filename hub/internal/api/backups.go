package api

import (
	"io"
	"net/http"
	"time"

	"github.com/telltale-iot/telltale/schema"
)

// Backups are copies of the store.
type Backups interface {
	StartBackup() (schema.Backup, error)
	Backups() schema.BackupList
	// OpenBackup returns a backup's bytes and when it was finished.
	OpenBackup(name string) (io.ReadSeekCloser, time.Time, error)
	DeleteBackup(name string) error
}

func (s *server) backupRoutes(mux *http.ServeMux) {
	mux.HandleFunc("POST /api/v1/storage/backups", s.startBackup)
	mux.HandleFunc("GET /api/v1/storage/backups", s.backups)
	mux.HandleFunc("GET /api/v1/storage/backups/{name}", s.downloadBackup)
	mux.HandleFunc("DELETE /api/v1/storage/backups/{name}", s.deleteBackup)
}

// startBackup answers 202 with the backup as it is at its start; its progress is in the list.
func (s *server) startBackup(w http.ResponseWriter, r *http.Request) {
	b, err := s.o.Backups.StartBackup()
	s.answer(w, r, http.StatusAccepted, b, err)
}

func (s *server) backups(w http.ResponseWriter, r *http.Request) {
	s.answer(w, r, http.StatusOK, s.o.Backups.Backups(), nil)
}

// downloadBackup sends the file, or the part of it that was asked for. It may take as long as it makes progress.
func (s *server) downloadBackup(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	f, at, err := s.o.Backups.OpenBackup(name)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	defer f.Close()
	out := http.NewResponseController(w)
	if err := out.SetReadDeadline(time.Time{}); err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/vnd.sqlite3")
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`) // OpenBackup takes plain names only
	http.ServeContent(w, r, "", at, &patient{f, out})
}

func (s *server) deleteBackup(w http.ResponseWriter, r *http.Request) {
	if err := s.o.Backups.DeleteBackup(r.PathValue("name")); err != nil {
		s.fail(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// patient gives the receiver another answerWithin for each piece of a file.
type patient struct {
	io.ReadSeeker
	out *http.ResponseController
}

// Read reads the next piece.
func (p *patient) Read(b []byte) (int, error) {
	if err := p.out.SetWriteDeadline(time.Now().Add(answerWithin)); err != nil {
		return 0, err
	}
	return p.ReadSeeker.Read(b)
}
