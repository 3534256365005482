package main

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/telltale-iot/telltale/schema"
)

// model is the protocol as the writers of TypeScript and JSON Schema see it, in the order of the source.
type model struct {
	types   []*typeDef
	byName  map[string]*typeDef
	consts  []constDef
	streams []stream
}

// typeDef is one type that crosses the wire: a struct (fields), a list of words (words) or another shape (of).
type typeDef struct {
	name, doc string
	fields    []field
	words     []constDef
	of        *shape
	order     token.Pos
}

// field is one member of a struct, under its JSON name.
type field struct {
	name, doc string
	shape     shape
	optional  bool // omitempty: may be absent
}

// shape is the type of a value on the wire.
type shape struct {
	kind  kind
	named string // for ref
	elem  *shape // for list, table
	size  int    // for tuple
}

type kind int

const (
	text    kind = iota + 1
	truth        // true or false
	real         // finite number
	integer      // within ±2^53
	natural      // integer, not negative
	scalar       // schema.Value
	list         // array of elem
	tuple        // array of size elem
	table        // object with elem as values
	ref          // named type
)

// constDef is one exported constant; durations are in ms and their name says so.
type constDef struct {
	name, doc string
	value     any // string, int64 or float64
}

// stream is one direction of one endpoint with the frames it carries.
type stream struct {
	name   string // "live down"
	frames []frame
}

type frame struct{ kind, typeName string }

// load reads the schema package in dir.
func load(dir string) (*model, error) {
	fset := token.NewFileSet()
	files, err := parse(fset, dir)
	if err != nil {
		return nil, err
	}
	conf := types.Config{
		Importer:         &onlyTime{importer.ForCompiler(fset, "source", nil), map[string]*types.Package{}},
		IgnoreFuncBodies: true,
		Error:            func(error) {}, // packages that onlyTime left empty; the compiler checks the rest
	}
	pkg, _ := conf.Check("schema", fset, files, nil)
	m := &model{byName: map[string]*typeDef{}}
	docs := collectDocs(files)
	m.loadConsts(pkg, docs)
	m.loadStreams()
	roots := httpBodies(fset, files)
	for _, s := range m.streams {
		for _, f := range s.frames {
			roots = append(roots, f.typeName)
		}
	}
	for _, name := range roots {
		if err := m.add(pkg, docs, name); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(m.types, func(a, b *typeDef) int { return int(a.order - b.order) })
	return m, nil
}

func parse(fset *token.FileSet, dir string) ([]*ast.File, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no Go files in %s", dir)
	}
	return files, nil
}

// onlyTime imports package time from source and gives an empty package for every other: constants need nothing else, and reading the
// standard library's crypto would take seconds.
type onlyTime struct {
	source types.Importer
	empty  map[string]*types.Package
}

func (o *onlyTime) Import(path string) (*types.Package, error) {
	if path == "time" {
		return o.source.Import(path)
	}
	if o.empty[path] == nil {
		o.empty[path] = types.NewPackage(path, path[strings.LastIndexByte(path, '/')+1:])
		o.empty[path].MarkComplete()
	}
	return o.empty[path], nil
}

// collectDocs maps the place of every type, field and constant name to its comment.
func collectDocs(files []*ast.File) map[token.Pos]string {
	docs := map[token.Pos]string{}
	note := func(names []*ast.Ident, groups ...*ast.CommentGroup) {
		for _, g := range groups {
			if g != nil {
				for _, n := range names {
					docs[n.Pos()] = strings.TrimSpace(g.Text())
				}
				return
			}
		}
	}
	for _, f := range files {
		for _, d := range f.Decls {
			gen, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range gen.Specs {
				switch s := spec.(type) {
				case *ast.TypeSpec:
					note([]*ast.Ident{s.Name}, s.Doc, gen.Doc)
					if st, ok := s.Type.(*ast.StructType); ok {
						for _, field := range st.Fields.List {
							note(field.Names, field.Doc, field.Comment)
						}
					}
				case *ast.ValueSpec:
					doc := s.Doc
					if doc == nil && !gen.Lparen.IsValid() {
						doc = gen.Doc
					}
					note(s.Names, doc, s.Comment)
				}
			}
		}
	}
	return docs
}

// httpBodies are the exported structs of http.go.
func httpBodies(fset *token.FileSet, files []*ast.File) []string {
	var names []string
	for _, f := range files {
		if filepath.Base(fset.Position(f.Pos()).Filename) != "http.go" {
			continue
		}
		for name, obj := range f.Scope.Objects { //nolint:staticcheck // one file's own declarations, no resolution needed
			if obj.Kind == ast.Typ && ast.IsExported(name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// loadStreams asks the package itself which frames each stream carries.
func (m *model) loadStreams() {
	for s := schema.Stream(1); len(schema.Frames(s)) > 0; s++ {
		st := stream{name: s.String()}
		for _, f := range schema.Frames(s) {
			st.frames = append(st.frames, frame{f.Kind(), reflect.TypeOf(f).Elem().Name()})
		}
		m.streams = append(m.streams, st)
	}
}

// loadConsts takes all exported constants that are not words of a list.
func (m *model) loadConsts(pkg *types.Package, docs map[token.Pos]string) {
	var found []*types.Const
	for _, name := range pkg.Scope().Names() {
		c, ok := pkg.Scope().Lookup(name).(*types.Const)
		if ok && c.Exported() && (!local(c.Type(), pkg)) {
			found = append(found, c)
		}
	}
	slices.SortFunc(found, func(a, b *types.Const) int { return int(a.Pos() - b.Pos()) })
	for _, c := range found {
		m.consts = append(m.consts, newConst(c, docs))
	}
}

func newConst(c *types.Const, docs map[token.Pos]string) constDef {
	d := constDef{name: c.Name(), doc: docs[c.Pos()]}
	switch v := c.Val(); v.Kind() {
	case constant.String:
		d.value = constant.StringVal(v)
	case constant.Int:
		n, _ := constant.Int64Val(v)
		if isDuration(c.Type()) {
			d.name, n = d.name+"_MS", n/1e6
		}
		d.value = n
	default:
		f, _ := constant.Float64Val(v)
		d.value = f
	}
	return d
}

func local(t types.Type, pkg *types.Package) bool {
	named, ok := t.(*types.Named)
	return ok && named.Obj().Pkg() == pkg
}

func isDuration(t types.Type) bool {
	named, ok := t.(*types.Named)
	return ok && named.Obj().Name() == "Duration"
}

// add takes the named type and all types it is made of.
func (m *model) add(pkg *types.Package, docs map[token.Pos]string, name string) error {
	if m.byName[name] != nil || name == "Value" || name == "Values" {
		return nil
	}
	obj, ok := pkg.Scope().Lookup(name).(*types.TypeName)
	if !ok {
		return fmt.Errorf("there is no type %s", name)
	}
	d := &typeDef{name: name, doc: docs[obj.Pos()], order: obj.Pos()}
	m.byName[name] = d
	m.types = append(m.types, d)
	switch under := obj.Type().Underlying().(type) {
	case *types.Struct:
		return m.addFields(pkg, docs, d, under)
	case *types.Basic:
		for _, n := range pkg.Scope().Names() {
			if c, ok := pkg.Scope().Lookup(n).(*types.Const); ok && types.Identical(c.Type(), obj.Type()) {
				d.words = append(d.words, newConst(c, docs))
			}
		}
		slices.SortFunc(d.words, func(a, b constDef) int {
			return int(pkg.Scope().Lookup(a.name).Pos() - pkg.Scope().Lookup(b.name).Pos())
		})
		return nil
	default:
		s, err := m.shape(pkg, docs, under)
		d.of = &s
		return err
	}
}

func (m *model) addFields(pkg *types.Package, docs map[token.Pos]string, d *typeDef, s *types.Struct) error {
	for i := range s.NumFields() {
		v := s.Field(i)
		name, options, _ := strings.Cut(reflect.StructTag(s.Tag(i)).Get("json"), ",")
		if name == "" || v.Embedded() {
			return fmt.Errorf("%s.%s crosses the wire and needs a json tag", d.name, v.Name())
		}
		sh, err := m.shape(pkg, docs, v.Type())
		if err != nil {
			return fmt.Errorf("%s.%s: %w", d.name, v.Name(), err)
		}
		doc := docs[v.Pos()]
		if rest, ok := strings.CutPrefix(doc, v.Name()); ok && (rest == "" || !isWord(rest[0])) {
			doc = name + rest
		}
		d.fields = append(d.fields, field{name, doc, sh, strings.Contains(options, "omitempty")})
	}
	return nil
}

func isWord(b byte) bool {
	return b == '_' || b >= '0' && b <= '9' || b >= 'A' && b <= 'Z' || b >= 'a' && b <= 'z'
}

// shape translates a Go type. Errors: a type that has no meaning on the wire.
func (m *model) shape(pkg *types.Package, docs map[token.Pos]string, t types.Type) (shape, error) {
	if named, ok := t.(*types.Named); ok && named.Obj().Pkg() == pkg {
		switch name := named.Obj().Name(); name {
		case "Value":
			return shape{kind: scalar}, nil
		case "Values":
			return shape{kind: list, elem: &shape{kind: scalar}}, nil
		default:
			return shape{kind: ref, named: name}, m.add(pkg, docs, name)
		}
	}
	switch t := t.Underlying().(type) {
	case *types.Pointer:
		return m.shape(pkg, docs, t.Elem())
	case *types.Slice:
		elem, err := m.shape(pkg, docs, t.Elem())
		return shape{kind: list, elem: &elem}, err
	case *types.Array:
		elem, err := m.shape(pkg, docs, t.Elem())
		return shape{kind: tuple, elem: &elem, size: int(t.Len())}, err
	case *types.Map:
		elem, err := m.shape(pkg, docs, t.Elem())
		return shape{kind: table, elem: &elem}, err
	case *types.Basic:
		switch info := t.Info(); {
		case info&types.IsString != 0:
			return shape{kind: text}, nil
		case info&types.IsBoolean != 0:
			return shape{kind: truth}, nil
		case info&types.IsUnsigned != 0:
			return shape{kind: natural}, nil
		case info&types.IsInteger != 0:
			return shape{kind: integer}, nil
		case info&types.IsFloat != 0:
			return shape{kind: real}, nil
		}
	}
	return shape{}, fmt.Errorf("type %s has no meaning on the wire", t)
}

// number returns the value of an integer constant.
func (m *model) number(name string) int64 {
	for _, c := range m.consts {
		if c.name == name {
			if n, ok := c.value.(int64); ok {
				return n
			}
		}
	}
	panic("no integer constant " + name) // bounds.go names a constant that schema no longer has
}
