package archtest

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Module is the import path of this repository's root.
const Module = "github.com/telltale-iot/telltale"

// Tree is the repository's text, read once.
type Tree struct {
	Files []*File
	fset  *token.FileSet
}

// File is one text file of the tree.
type File struct {
	Path    string // from the root, with slashes
	Src     string
	Go      *ast.File // nil for other files
	Test    bool      // _test.go
	Foreign bool      // belongs to a nested module (tools/)
}

// Violation is one place that breaks a rule.
type Violation struct {
	Path    string
	Line    int // 0 = the whole file
	Message string
}

// String is the form that editors and terminals make clickable.
func (v Violation) String() string {
	if v.Line == 0 {
		return v.Path + ": " + v.Message
	}
	return fmt.Sprintf("%s:%d: %s", v.Path, v.Line, v.Message)
}

// Load reads the text files of root. It leaves out what is not ours or not text: dependencies, build results, test data, binary files.
// Errors: unreadable files and Go that does not parse.
func Load(root fs.FS) (*Tree, error) {
	t := &Tree{fset: token.NewFileSet()}
	var foreign []string
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if skipped(name) {
				return fs.SkipDir
			}
			if _, err := fs.Stat(root, path.Join(name, "go.mod")); err == nil && name != "." {
				foreign = append(foreign, name+"/")
			}
			return nil
		}
		if !d.Type().IsRegular() || skippedFile(name) {
			return nil
		}
		f, err := t.read(root, name)
		if f != nil {
			f.Foreign = slices.ContainsFunc(foreign, func(dir string) bool { return strings.HasPrefix(name, dir) })
			t.Files = append(t.Files, f)
		}
		return err
	})
	return t, err
}

func skipped(dir string) bool {
	switch path.Base(dir) {
	case ".git", "node_modules", "testdata", "pictures":
		return true
	}
	switch dir {
	case "bin", "data", "coverage", "dashboard/dist":
		return true
	}
	return false
}

func skippedFile(name string) bool {
	switch path.Base(name) {
	case "go.sum", "package-lock.json", "LICENSE":
		return true
	}
	return strings.HasSuffix(name, ".schema.json")
}

func (t *Tree) read(root fs.FS, name string) (*File, error) {
	src, err := fs.ReadFile(root, name)
	if err != nil || bytes.IndexByte(src, 0) >= 0 {
		return nil, err
	}
	f := &File{Path: name, Src: string(src), Test: strings.HasSuffix(name, "_test.go")}
	if path.Ext(name) == ".go" {
		if f.Go, err = parser.ParseFile(t.fset, name, src, parser.ParseComments); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// ours are the Go files of the root module.
func (t *Tree) ours(yield func(*File) bool) {
	for _, f := range t.Files {
		if f.Go != nil && !f.Foreign && !yield(f) {
			return
		}
	}
}

// code are the Go files of the root module without tests.
func (t *Tree) code(yield func(*File) bool) {
	for f := range t.ours {
		if !f.Test && !yield(f) {
			return
		}
	}
}

// packages groups the Go files of the root module by directory, without tests, in the order of the tree.
func (t *Tree) packages() (dirs []string, files map[string][]*File) {
	files = map[string][]*File{}
	for f := range t.code {
		if files[f.Dir()] == nil {
			dirs = append(dirs, f.Dir())
		}
		files[f.Dir()] = append(files[f.Dir()], f)
	}
	return dirs, files
}

func (t *Tree) line(p token.Pos) int { return t.fset.Position(p).Line }

func (t *Tree) at(f *File, p token.Pos, format string, args ...any) Violation {
	return Violation{f.Path, t.line(p), fmt.Sprintf(format, args...)}
}

// Dir is the file's directory from the root, "." for the root itself.
func (f *File) Dir() string { return path.Dir(f.Path) }

// generated reports whether a program wrote the file.
func (f *File) generated() bool {
	head, _, _ := strings.Cut(f.Src, "\n")
	return strings.HasPrefix(head, "// Code generated ")
}

// forTests reports whether a file only serves tests: a test, or a helper package such as devicetest.
func (f *File) forTests() bool { return f.Test || strings.HasSuffix(f.Dir(), "test") }

// imports calls fn for each import path of a Go file.
func (f *File) imports(fn func(p string, at token.Pos)) {
	for _, spec := range f.Go.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err == nil {
			fn(p, spec.Pos())
		}
	}
}

// local returns the path from the root of an import of this module.
func local(importPath string) (dir string, ok bool) {
	if importPath == Module {
		return ".", true
	}
	return strings.CutPrefix(importPath, Module+"/")
}

// under reports whether dir is parent or inside it.
func under(dir, parent string) bool { return dir == parent || strings.HasPrefix(dir, parent+"/") }

func underAny(dir string, parents []string) bool {
	return slices.ContainsFunc(parents, func(p string) bool { return under(dir, p) })
}
