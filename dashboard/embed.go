// Package dashboard carries the built browser dashboard inside the hub's binary.
//
// It guarantees that the program always builds: when `npm run build` has not run, dist holds only a
// placeholder and [Built] says so, and the hub can tell the visitor what to do instead of showing an
// empty page. It serves nothing itself. Start reading with [Files].
package dashboard

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// Files returns the built dashboard with index.html at its root.
//
// Names under assets/ carry a hash of their content and may be cached for ever; everything else must be
// revalidated. Safe for concurrent use.
func Files() fs.FS {
	files, err := fs.Sub(dist, "dist")
	if err != nil { // "dist" is a constant and a valid path: this cannot happen.
		panic("dashboard: " + err.Error())
	}
	return files
}

// Built reports whether index.html is in the binary, that is, whether `npm run build` ran before `go build`.
func Built() bool {
	_, err := fs.Stat(Files(), "index.html")
	return err == nil
}
