package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

func TestGeneratedFilesAreUpToDate(t *testing.T) {
	outputs, err := generate(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range outputs {
		if old, err := os.ReadFile(filepath.Join(root, o.path)); err != nil || !bytes.Equal(old, o.text) {
			t.Errorf("%s is out of date; run go generate ./schema/... (%v)", o.path, err)
		}
	}
}

func TestOutOfDateFileIsReported(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "schema"), os.DirFS(filepath.Join(root, "schema"))); err != nil {
		t.Fatal(err)
	}
	if err := run(dir, false); err != nil {
		t.Fatal(err)
	}
	if err := run(dir, true); err != nil {
		t.Errorf("just written: %v", err)
	}
	path := filepath.Join(dir, "schema", "limits.go")
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.Replace(src, []byte("MaxFrames = "), []byte("MaxFrames = 1 + "), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(dir, true); err == nil || !strings.Contains(err.Error(), "out of date") {
		t.Errorf("a changed limit went unnoticed: %v", err)
	}
}

// golden is a file of schema/testdata/v1.
type golden struct {
	Stream  string
	Message any
}

func TestJSONSchemaTakesGoldenFramesAndRefusesBrokenOnes(t *testing.T) {
	var doc map[string]any
	decode(t, filepath.Join(root, "schema/telltale.schema.json"), &doc)
	names, err := filepath.Glob(filepath.Join(root, "schema/testdata/v1/*.json"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no golden frames: %v", err)
	}
	v := validator{root: doc}
	for _, name := range names {
		var g golden
		decode(t, name, &g)
		ref := map[string]any{"$ref": "#/$defs/" + strings.ReplaceAll(g.Stream, " ", "_")}
		if !v.valid(ref, g.Message) {
			t.Errorf("%s: refused", name)
		}
		frame, ok := g.Message.(map[string]any)
		if !ok {
			continue
		}
		frame["not_known_yet"] = 1.0
		if !v.valid(ref, frame) {
			t.Errorf("%s: refused for an unknown field", name)
		}
		delete(frame, "not_known_yet")
		for key, old := range frame {
			frame[key] = map[string]any{"a": []any{}}
			if v.valid(ref, frame) {
				t.Errorf("%s: accepted with an object as %s", name, key)
			}
			frame[key] = old
		}
	}
}

func decode(t *testing.T, path string, out any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, out); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// validator knows the part of JSON Schema that the generator uses.
type validator struct{ root map[string]any }

func (v validator) valid(s map[string]any, x any) bool {
	if ref, ok := s["$ref"].(string); ok && !v.valid(v.root["$defs"].(map[string]any)[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any), x) {
		return false
	}
	if any, ok := s["anyOf"].([]any); ok && v.matches(any, x) == 0 {
		return false
	}
	if one, ok := s["oneOf"].([]any); ok && v.matches(one, x) != 1 {
		return false
	}
	if c, ok := s["const"]; ok && c != x {
		return false
	}
	if enum, ok := s["enum"].([]any); ok && !slices.Contains(enum, x) {
		return false
	}
	switch want := s["type"].(type) {
	case string:
		return typed(want, x) && v.inside(s, x)
	case []any:
		return slices.ContainsFunc(want, func(w any) bool { return typed(w.(string), x) }) && v.inside(s, x)
	}
	return v.inside(s, x)
}

func (v validator) matches(all []any, x any) int {
	n := 0
	for _, s := range all {
		if v.valid(s.(map[string]any), x) {
			n++
		}
	}
	return n
}

func typed(want string, x any) bool {
	switch x := x.(type) {
	case nil:
		return want == "null"
	case bool:
		return want == "boolean"
	case string:
		return want == "string"
	case float64:
		return want == "number" || want == "integer" && x == float64(int64(x))
	case []any:
		return want == "array"
	}
	return want == "object"
}

func (v validator) inside(s map[string]any, x any) bool {
	limit := func(key string, n float64, most bool) bool {
		l, ok := s[key].(float64)
		return !ok || most && n <= l || !most && n >= l
	}
	switch x := x.(type) {
	case string:
		return limit("maxLength", float64(len(x)), true)
	case float64:
		return limit("minimum", x, false)
	case []any:
		items, ok := s["items"].(map[string]any)
		return limit("maxItems", float64(len(x)), true) && limit("minItems", float64(len(x)), false) &&
			(!ok || !slices.ContainsFunc(x, func(e any) bool { return !v.valid(items, e) }))
	case map[string]any:
		return v.members(s, x)
	}
	return true
}

func (v validator) members(s, x map[string]any) bool {
	if required, ok := s["required"].([]any); ok {
		for _, r := range required {
			if _, ok := x[r.(string)]; !ok {
				return false
			}
		}
	}
	properties, _ := s["properties"].(map[string]any)
	for key, e := range x {
		if p, ok := properties[key].(map[string]any); ok && !v.valid(p, e) {
			return false
		}
		if rest, ok := s["additionalProperties"].(map[string]any); ok && properties[key] == nil && !v.valid(rest, e) {
			return false
		}
	}
	return true
}
