package api

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

func built() fstest.MapFS {
	return fstest.MapFS{
		"index.html":           {Data: []byte("<!doctype html>the page")},
		"assets/app-1a2b.js":   {Data: []byte("run()")},
		"favicon.svg":          {Data: []byte("<svg/>")},
		"manifest.webmanifest": {Data: []byte("{}")},
	}
}

func get(t *testing.T, p http.Handler, path, tag string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest("GET", path, nil)
	if tag != "" {
		r.Header.Set("If-None-Match", tag)
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	return w
}

func TestFilesOfTheDashboard(t *testing.T) {
	p, err := newPage(built())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path   string
		status int
		kind   string
		cache  string
		body   string
	}{
		{"/", 200, "text/html; charset=utf-8", "no-cache", "the page"},
		{"/index.html", 200, "text/html; charset=utf-8", "no-cache", "the page"},
		{"/device/pi-garage", 200, "text/html; charset=utf-8", "no-cache", "the page"},
		{"/assets/app-1a2b.js", 200, "text/javascript; charset=utf-8", "public, max-age=31536000, immutable", "run()"},
		{"/favicon.svg", 200, "image/svg+xml", "no-cache", "<svg/>"},
		{"/manifest.webmanifest", 200, "application/manifest+json", "no-cache", "{}"},
		{"/assets/app-old.js", 404, "", "", "no such file"},
		{"/assets/", 404, "", "", "no such file"},
		{"/robots.txt", 404, "", "", "no such file"},
	} {
		w := get(t, p, c.path, "")
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.body) {
			t.Errorf("%s: %d %q", c.path, w.Code, w.Body)
		}
		if c.status == 200 && (w.Header().Get("Content-Type") != c.kind || w.Header().Get("Cache-Control") != c.cache) {
			t.Errorf("%s: %v", c.path, w.Header())
		}
	}
	tag := get(t, p, "/", "").Header().Get("ETag")
	if w := get(t, p, "/device/x", tag); w.Code != http.StatusNotModified || w.Body.Len() != 0 {
		t.Errorf("the same tag again: %d", w.Code)
	}
	changed := built()
	changed["index.html"].Data = []byte("new")
	other, err := newPage(changed)
	if err != nil {
		t.Fatal(err)
	}
	if w := get(t, other, "/", tag); w.Code != 200 {
		t.Errorf("a changed page with the old tag: %d", w.Code)
	}
}

func TestADashboardThatWasNotBuiltSaysHowToBuildIt(t *testing.T) {
	p, err := newPage(fstest.MapFS{".gitkeep": {}})
	if err != nil {
		t.Fatal(err)
	}
	if w := get(t, p, "/", ""); w.Code != 200 || !strings.Contains(w.Body.String(), "make build") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func FuzzHost(f *testing.F) {
	for _, s := range []string{"localhost:80", "[::1]:80", "::1", "evil.example", "", "[", "a:b:c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h := host(s)
		if strings.HasSuffix(h, ".evil.example") && (&server{}).hostAllowed(&http.Request{Host: s}) {
			t.Errorf("%q is allowed", s)
		}
	})
}
