package archtest

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// layers of the dashboard, left to right: a layer imports itself and what is left of it.
func layers() []string { return []string{"wire", "live", "view"} }

// DashboardLayers holds view → live → wire, keeps frameworks and charts out of wire and live, and the socket out of view (tests and types may
// name it).
func DashboardLayers(t *Tree) []Violation {
	const src = "dashboard/src/"
	importOf := regexp.MustCompile(`(?:\bfrom\s*|\bimport\s*\(?\s*)['"]([^'"]+)['"]`)
	var bad []Violation
	for _, f := range t.Files {
		own := layerOf(strings.TrimPrefix(f.Path, src))
		if !strings.HasPrefix(f.Path, src) || own < 0 || !slices.Contains([]string{".ts", ".svelte", ".js"}, path.Ext(f.Path)) {
			continue
		}
		test := strings.Contains(path.Base(f.Path), ".test.")
		for i, line := range strings.Split(f.Src, "\n") {
			for _, m := range importOf.FindAllStringSubmatch(line, -1) {
				if msg := refusedImport(f.Path, own, m[1], test || strings.HasPrefix(line, "import type ")); msg != "" {
					bad = append(bad, Violation{f.Path, i + 1, msg})
				}
			}
		}
	}
	return bad
}

func refusedImport(file string, own int, imported string, harmless bool) string {
	name := layers()[own]
	if !strings.HasPrefix(imported, ".") {
		framework := imported == "svelte" || strings.HasPrefix(imported, "svelte/") || imported == "uplot" || strings.HasPrefix(imported, "@mdi/")
		if framework && name != "view" {
			return fmt.Sprintf("%s must not import %s: only view knows frameworks", name, imported)
		}
		return ""
	}
	to := path.Join(path.Dir(file), imported)
	other := layerOf(strings.TrimPrefix(to, "dashboard/src/"))
	switch {
	case !strings.HasPrefix(to, "dashboard/src/"):
		return ""
	case other > own:
		return fmt.Sprintf("%s must not import %s: view → live → wire", name, layers()[other])
	case strings.HasPrefix(to, "dashboard/src/style") && name != "view":
		return name + " must not import style"
	case name == "view" && !harmless && strings.HasPrefix(to, "dashboard/src/wire/socket"):
		return "view must not import the socket: components get values and callbacks"
	}
	return ""
}

func layerOf(p string) int {
	top, _, _ := strings.Cut(p, "/")
	return slices.Index(layers(), top)
}
