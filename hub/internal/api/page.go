package api

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

// notBuilt is what a browser shows when the program was built without its dashboard.
const notBuilt = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Telltale</title>
<h1>The hub runs, but its dashboard was not built</h1>
<p>Build it and the program again: <code>make build</code> (or <code>npm ci &amp;&amp; npm run build</code> in the folder
<code>dashboard</code>, then <code>go build ./hub</code>). It needs Node 20.
<p>The API answers meanwhile: <a href="/api/v1/devices">/api/v1/devices</a>
`

// page serves the dashboard's files. They are in memory already, as part of the program.
type page struct {
	files fs.FS
	tags  map[string]string // ETag by name
}

func newPage(files fs.FS) (*page, error) {
	p := &page{files: files, tags: map[string]string{}}
	if files == nil {
		return p, nil
	}
	if _, err := fs.Stat(files, "index.html"); errors.Is(err, fs.ErrNotExist) {
		p.files = nil
		return p, nil
	}
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(b)
		p.tags[name] = `"` + hex.EncodeToString(sum[:12]) + `"`
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read dashboard: %w", err)
	}
	return p, nil
}

// ServeHTTP serves a file, or index.html for the paths that the dashboard's own router knows.
func (p *page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "only GET here", http.StatusMethodNotAllowed)
		return
	}
	if p.files == nil {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(notBuilt)) // the client may be gone, nothing can be done about it
		return
	}
	name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
	tag, ok := p.tags[name]
	if !ok {
		if path.Ext(name) != "" || strings.HasPrefix(name+"/", "assets/") {
			http.Error(w, "there is no such file", http.StatusNotFound)
			return
		}
		name, tag = "index.html", p.tags["index.html"]
	}
	if strings.HasPrefix(name, "assets/") { // the name carries a hash of the content
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		w.Header().Set("Cache-Control", "no-cache")
	}
	w.Header().Set("ETag", tag)
	if kind := mime.TypeByExtension(path.Ext(name)); kind != "" {
		w.Header().Set("Content-Type", kind)
	}
	if strings.HasSuffix(name, ".webmanifest") {
		w.Header().Set("Content-Type", "application/manifest+json")
	}
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	b, err := fs.ReadFile(p.files, name)
	if err != nil {
		http.Error(w, "the file cannot be read", http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(b) // the client may be gone, nothing can be done about it
}
