// Command gen writes what the rest of the world needs to speak the protocol: TypeScript types with runtime guards for the dashboard
// (dashboard/src/wire/schema.gen.ts) and a JSON Schema for everybody else (schema/telltale.schema.json).
//
// It reads the Go package schema, which is the protocol: shapes, constants and comments from its source, the frames of each stream
// and the table of command transitions by calling it. Nothing is said twice; what Go cannot say declaratively (closed word lists, the
// bounds that Validate methods check) stands in bounds.go and is held against the golden frames from both sides.
//
// Run it with `go generate ./schema/...`. With -check it writes nothing and fails when a file is out of date. Start reading at model.go.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

// output is one generated file, named from the module's root.
type output struct {
	path string
	text []byte
}

func main() {
	root := flag.String("root", ".", "module root")
	check := flag.Bool("check", false, "only compare, fail when a file is out of date")
	flag.Parse()
	if err := run(*root, *check); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(root string, check bool) error {
	outputs, err := generate(root)
	if err != nil {
		return err
	}
	for _, o := range outputs {
		path := filepath.Join(root, o.path)
		if check {
			if old, err := os.ReadFile(path); err != nil || !bytes.Equal(old, o.text) {
				return fmt.Errorf("%s is out of date; run go generate ./schema/...", o.path)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, o.text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// generate returns all generated files of the module at root.
func generate(root string) ([]output, error) {
	m, err := load(filepath.Join(root, "schema"))
	if err != nil {
		return nil, err
	}
	jsonSchema, err := m.jsonSchema()
	if err != nil {
		return nil, err
	}
	return []output{
		{"dashboard/src/wire/schema.gen.ts", m.typeScript()},
		{"schema/telltale.schema.json", jsonSchema},
	}, nil
}
