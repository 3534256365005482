// Package yamlfile reads the YAML files that people write: configurations and scenarios.
//
// It is strict, because a typing error that is silently ignored is found months later: an unknown key, a repeated key, a value of the
// wrong type and a second document are errors, and each error says file, line and column in words a person can act on.
// It refuses anchors, aliases, merge keys and tags (a file is read as it stands), input above [MaxBytes] and nesting above [MaxDepth].
//
// Start with [Load] (a file) or [Decode] (bytes in hand). To report a value that is well-formed but makes no sense, keep the
// [Document] and use [Document.Errorf], which knows where the value stands. This is the only package that knows the YAML library.
package yamlfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

const (
	// MaxBytes bounds a file; a whole greenhouse fits in a hundredth of it.
	MaxBytes = 1 << 20
	// MaxDepth bounds nesting, so that hostile input costs neither stack nor time.
	MaxDepth = 32
)

// Error is one mistake in a file, with its place. Line and Column start at 1; both are 0 when the mistake has no place (an empty
// or oversized file).
type Error struct {
	File         string
	Line, Column int
	Message      string
}

// Error gives the mistake in the form compilers use: `file:line:col: message`.
func (e *Error) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Message
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Message)
}

// Document is one parsed file, kept so that later checks can say where a value stands.
type Document struct {
	name string
	file *ast.File
}

// Load reads the file at path into out, a pointer to a struct that holds the defaults: keys which the file does not name keep
// their value. Fields are matched by their `yaml:"key"` tag. Durations are written as in Go ("10s").
//
// Errors: those of os.Open, wrapped, or an [*Error].
func Load(path string, out any) (*Document, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open configuration: %w", err)
	}
	src, err := io.ReadAll(io.LimitReader(f, MaxBytes+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return Decode(path, src, out)
}

// Decode is [Load] for bytes in hand; name stands for the file in errors. An empty document leaves out as it is.
// What out holds after an error is not defined.
//
// Errors: an [*Error]. Held by TestMistakesAreNamedWithTheirPlace and FuzzDecode.
func Decode(name string, src []byte, out any) (*Document, error) {
	doc, err := parse(name, src)
	if err != nil || len(doc.file.Docs) == 0 || doc.file.Docs[0].Body == nil {
		return doc, err
	}
	if err := yaml.NodeToValue(doc.file.Docs[0].Body, out, yaml.Strict()); err != nil {
		return nil, doc.explain(err, out)
	}
	return doc, nil
}

// Errorf reports a mistake in the value at path, in the YAML library's path syntax ("$.sensors[1].driver"). Where the path does not exist in the file (the
// value is a default) the place is that of the nearest parent that does, or none.
func (d *Document) Errorf(path, format string, args ...any) error {
	e := &Error{File: d.name, Message: fmt.Sprintf(format, args...)}
	for path != "" && path != "$" {
		if tk := d.tokenAt(path); tk != nil {
			e.Line, e.Column = tk.Position.Line, tk.Position.Column
			break
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return e
}

func (d *Document) tokenAt(path string) *token.Token {
	p, err := yaml.PathString(path)
	if err != nil || len(d.file.Docs) == 0 || d.file.Docs[0].Body == nil {
		return nil
	}
	node, err := p.FilterFile(d.file)
	if err != nil || node == nil {
		return nil
	}
	return firstToken(node)
}

// firstToken is where a person would look for the node: a mapping starts at its first key, not at the colon behind it.
func firstToken(n ast.Node) *token.Token {
	switch n := n.(type) {
	case *ast.MappingNode:
		if len(n.Values) > 0 && !n.IsFlowStyle {
			return firstToken(n.Values[0])
		}
	case *ast.MappingValueNode:
		return n.Key.GetToken()
	}
	return n.GetToken()
}

func parse(name string, src []byte) (*Document, error) {
	doc := &Document{name: name, file: &ast.File{}}
	if len(src) > MaxBytes {
		return nil, &Error{File: name, Message: fmt.Sprintf("the file is larger than %d bytes", MaxBytes)}
	}
	if err := checkNesting(name, src); err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(src)) == 0 {
		return doc, nil
	}
	file, err := parser.ParseBytes(src, 0)
	if err != nil {
		return nil, doc.explain(err, nil)
	}
	doc.file = file
	if len(file.Docs) > 1 {
		return nil, &Error{File: name, Message: `holds more than one document; remove the "---" between them`}
	}
	var refused refuser
	for _, d := range file.Docs {
		if d.Body != nil {
			ast.Walk(&refused, d.Body)
		}
	}
	if tk := refused.found; tk != nil {
		return nil, doc.at(tk, "anchors, aliases, merge keys and tags (&, *, <<, !) are not supported; write the value out")
	}
	return doc, nil
}

// refuser walks a document and remembers the first thing that makes it more than what it shows.
type refuser struct{ found *token.Token }

func (r *refuser) Visit(n ast.Node) ast.Visitor {
	switch n.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode, *ast.TagNode: // the library dereferences nil at some tags
		if r.found == nil {
			r.found = n.GetToken()
		}
	}
	if r.found != nil {
		return nil
	}
	return r
}

// checkNesting bounds what the parser, which recurses, is given: brackets that are open at once, and the indentation and the
// dashes a line begins with. Brackets inside quotes count too; no file of ours comes near the bound.
func checkNesting(name string, src []byte) error {
	depth, line := 0, 0
	for text := range bytes.Lines(src) {
		line++
		rest := bytes.TrimLeft(text, " ")
		indent := len(text) - len(rest)
		dashes := 0
		for bytes.HasPrefix(rest, []byte("- ")) || bytes.HasPrefix(rest, []byte("? ")) {
			rest = bytes.TrimLeft(rest[2:], " ")
			dashes++
		}
		for _, b := range rest {
			switch b {
			case '[', '{':
				depth++
			case ']', '}':
				depth = max(depth-1, 0)
			}
			if depth > MaxDepth {
				break
			}
		}
		if depth > MaxDepth || dashes > MaxDepth || indent > 8*MaxDepth {
			return &Error{File: name, Line: line, Column: 1, Message: fmt.Sprintf("nested deeper than %d levels", MaxDepth)}
		}
	}
	return nil
}

func (d *Document) at(tk *token.Token, format string, args ...any) *Error {
	e := &Error{File: d.name, Message: fmt.Sprintf(format, args...)}
	if tk != nil && tk.Position != nil {
		e.Line, e.Column = tk.Position.Line, tk.Position.Column
	}
	return e
}
