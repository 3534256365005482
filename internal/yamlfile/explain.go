package yamlfile

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// explain turns an error of the YAML library into an [*Error] in words. out may be nil.
func (d *Document) explain(err error, out any) error {
	var unknown *yaml.UnknownFieldError
	var mismatch *yaml.TypeError
	var overflow *yaml.OverflowError
	var node *yaml.UnexpectedNodeTypeError
	var other yaml.Error
	switch {
	case errors.As(err, &unknown):
		key := strings.TrimSuffix(strings.TrimPrefix(unknown.Message, `unknown field "`), `"`)
		return d.at(unknown.Token, "unknown key %q%s", key, suggest(key, keysOf(out)))
	case errors.As(err, &mismatch):
		return d.at(mismatch.Token, "want %s, got %s", inWords(mismatch.DstType), inWords(mismatch.SrcType))
	case errors.As(err, &overflow):
		return d.at(overflow.Token, "%s is out of range for %s", overflow.SrcNum, inWords(overflow.DstType))
	case errors.As(err, &node):
		return d.at(node.Token, "want a %s, got a %s", strings.ToLower(node.Expected.YAMLName()), strings.ToLower(node.Actual.YAMLName()))
	case errors.As(err, &other):
		return d.at(other.GetToken(), "%s", other.GetMessage())
	}
	message := strings.TrimPrefix(err.Error(), "time: ")
	if strings.HasPrefix(message, "invalid duration") || strings.Contains(message, "unit in duration") {
		message += `; want one like "10s" or "5m"`
	}
	return d.at(d.scalarQuotedIn(message), "%s", message)
}

// scalarQuotedIn finds the first value of the document which message quotes: errors of Go's own parsers (durations, text
// unmarshalers) name the text but not its place.
func (d *Document) scalarQuotedIn(message string) *token.Token {
	var find finder
	find.message = message
	for _, doc := range d.file.Docs {
		if doc.Body != nil {
			ast.Walk(&find, doc.Body)
		}
	}
	return find.found
}

type finder struct {
	message string
	found   *token.Token
}

func (f *finder) Visit(n ast.Node) ast.Visitor {
	if s, ok := n.(ast.ScalarNode); ok && f.found == nil && strings.Contains(f.message, fmt.Sprintf("%q", fmt.Sprint(s.GetValue()))) {
		f.found = n.GetToken()
	}
	return f
}

// inWords names a Go type as the writer of a file would.
func inWords(t reflect.Type) string {
	if t == nil {
		return "nothing"
	}
	if t.PkgPath() == "time" && t.Name() == "Duration" {
		return `a duration like "10s" or "5m"`
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "text"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number, not negative"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Map, reflect.Struct:
		return "a block of keys"
	case reflect.Pointer:
		return inWords(t.Elem())
	}
	return fmt.Sprintf("a %s", t)
}

// suggest offers the known key nearest to a mistyped one, or nothing when none is near.
func suggest(key string, known []string) string {
	best, bestDistance := "", 1+len(key)/3
	for _, k := range known {
		if dist := distance(strings.ToLower(key), k); dist <= bestDistance && (best == "" || dist < bestDistance) {
			best, bestDistance = k, dist
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %q?)", best)
}

// distance is the number of edits (insert, delete, replace) between two words: Levenshtein, 1966.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// keysOf lists, sorted, every key that a file for out may use at any depth. It reads types only, to find a suggestion.
func keysOf(out any) []string {
	keys := map[string]bool{}
	collect(reflect.TypeOf(out), map[reflect.Type]bool{}, keys)
	list := make([]string, 0, len(keys))
	for k := range keys {
		list = append(list, k)
	}
	slices.Sort(list)
	return list
}

func collect(t reflect.Type, seen map[reflect.Type]bool, keys map[string]bool) {
	if t == nil || seen[t] {
		return
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		collect(t.Elem(), seen, keys)
	case reflect.Struct:
		for f := range t.Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			if name == "" && !f.Anonymous {
				name = strings.ToLower(f.Name)
			}
			if f.IsExported() && name != "-" && name != "" {
				keys[name] = true
			}
			collect(f.Type, seen, keys)
		}
	}
}
