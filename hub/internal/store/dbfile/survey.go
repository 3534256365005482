package dbfile

import (
	"encoding/binary"
	"slices"
)

// maxDepth bounds the way from a root to a leaf: 2³² pages of two children each have no more.
const maxDepth = 32

// Tree is a table or an index and what was found of it.
type Tree struct {
	// Name is the table's name; an index has the one it was given, or SQLite's (sqlite_autoindex_…).
	Name string
	// BadPages are its pages that cannot be read.
	BadPages []uint32
	// Broken counts pointers and cells of it that make no sense.
	Broken int
	// Root is its first page.
	Root    uint32
	kind    treeKind
	orphans []uint32 // its pages that no readable page points to
}

// treeKind is what a tree's pages are.
type treeKind byte

const (
	unknownTree treeKind = iota // the root is damaged; the next page decides
	rowTree                     // rows with a row id
	keyTree                     // keys only: an index, or a table WITHOUT ROWID
)

// takes reports whether a page is of the tree's kind.
func (t *Tree) takes(p *page) bool {
	kind := rowTree
	if p.kind == indexLeaf || p.kind == indexInterior {
		kind = keyTree
	}
	if t.kind == unknownTree {
		t.kind = kind
	}
	return t.kind == kind
}

// Whole reports whether nothing of the tree is missing. What its rows hold may be wrong all the same.
func (t *Tree) Whole() bool { return len(t.BadPages) == 0 && t.Broken == 0 && len(t.orphans) == 0 }

// Survey says which pages of a file belong to what.
type Survey struct {
	// Trees by name.
	Trees map[string]*Tree
	// Guessed: the list of tables was damaged; their places are those of a new file.
	Guessed bool
	// BadPages are damaged pages that belong to no tree as far as is known. They may have been free, or hold a part of a long row.
	BadPages []uint32

	f      *File
	owner  []int32 // of each page, by number: 1 + place in order; 0 = not known
	strays []uint32
	order  []*Tree
}

// Survey finds the pages of every table. roots are the places of all tables in a new file, by name; they are used when the file's own list
// cannot be read.
func (f *File) Survey(roots map[string]uint32) *Survey {
	s := &Survey{Trees: map[string]*Tree{}, f: f, owner: make([]int32, uint64(f.pages)+1)}
	own, whole := f.schema()
	s.Guessed = !whole
	for name, root := range own {
		s.add(name, root)
	}
	if !whole {
		for name, root := range roots {
			if s.Trees[name] == nil {
				s.add(name, root)
			}
		}
	}
	slices.SortFunc(s.order, func(a, b *Tree) int { return int(int64(a.Root) - int64(b.Root)) })
	var weak []claim
	for i, t := range s.order {
		weak = s.walk(claim{tree: i, page: t.Root}, weak, true)
	}
	for len(weak) > 0 { // the pointer map says otherwise, and nobody else wants the page
		c := weak[0]
		weak = s.walk(c, weak[1:], false)
	}
	s.adopt()
	return s
}

func (s *Survey) add(name string, root uint32) {
	t := &Tree{Name: name, Root: root}
	s.Trees[name] = t
	s.order = append(s.order, t)
}

// schema reads the list of tables and indexes; whole = nothing of it is missing.
func (f *File) schema() (roots map[string]uint32, whole bool) {
	roots, whole = map[string]uint32{}, !f.headless
	t := &Tree{Name: "sqlite_schema", Root: 1}
	s := &Survey{Trees: map[string]*Tree{t.Name: t}, f: f, owner: make([]int32, uint64(f.pages)+1), order: []*Tree{t}}
	s.walk(claim{page: 1}, nil, false)
	s.Each(t, func(c *Cell) {
		if c == nil {
			whole = false
			return
		}
		r, err := f.Record(c)
		if err != nil || len(r) != 5 {
			whole = false
			return
		}
		name, _ := r[1].(string)
		root, _ := r[3].(int64)
		if root > 1 && root <= int64(f.pages) && name != "" {
			roots[name] = uint32(root)
		}
	})
	return roots, whole && len(roots) > 0
}

// claim is a tree's wish for a page.
type claim struct {
	tree   int
	page   uint32
	parent uint32 // 0 = a root
	depth  int
}

// walk goes down from a page. Where the pointer map disagrees with the pointer, the claim is put off: one of the two is damaged. In the second
// round (careful = false) it is taken if the map does not say outright that the page is something else.
func (s *Survey) walk(c claim, weak []claim, careful bool) []claim {
	t := s.order[c.tree]
	if c.page < 2 && c.parent != 0 || c.page == 0 || c.page > s.f.pages || c.depth > maxDepth || s.owner[c.page] != 0 {
		t.Broken++
		return weak
	}
	if c.parent != 0 {
		kind, parent, known := s.f.pointer(c.page)
		switch {
		case !known || kind == pointsToTree && parent == c.parent:
		case careful:
			return append(weak, c)
		case kind != pointsToTree:
			t.Broken++
			return weak
		}
	}
	p, err := s.f.page(c.page)
	if err == nil && !t.takes(p) {
		t.Broken++ // of another kind: the pointer is wrong, or the page
		return weak
	}
	s.owner[c.page] = int32(c.tree) + 1
	if err != nil {
		t.BadPages = append(t.BadPages, c.page)
		return weak
	}
	for i := range p.cells {
		switch cell := &p.cells[i]; {
		case cell.bad:
			t.Broken++
		case !p.leaf():
			weak = s.walk(claim{c.tree, cell.child, c.page, c.depth + 1}, weak, careful)
		}
	}
	if !p.leaf() {
		weak = s.walk(claim{c.tree, p.right, c.page, c.depth + 1}, weak, careful)
	}
	return weak
}

// adopt finds the trees of pages that no pointer leads to, through the pointer map.
func (s *Survey) adopt() {
	for n := uint32(2); n <= s.f.pages && n > 1; n++ {
		if s.owner[n] != 0 || s.f.special(n) {
			continue
		}
		p, err := s.f.page(n)
		kind, _, known := s.f.pointer(n)
		if known && kind != pointsToTree && kind != pointsToRoot {
			continue // free, or a part of a long row
		}
		i := s.climb(n)
		switch {
		case i >= 0 && err != nil:
			s.order[i].BadPages = append(s.order[i].BadPages, n)
			s.owner[n] = int32(i) + 1
		case i >= 0 && s.order[i].takes(p):
			s.order[i].orphans = append(s.order[i].orphans, n)
		case err != nil:
			s.BadPages = append(s.BadPages, n)
		case p.leaf():
			s.strays = append(s.strays, n)
		}
	}
}

// climb returns the place in order of the tree that a page belongs to by the pointer map; -1 = not known.
func (s *Survey) climb(n uint32) int {
	for range maxDepth {
		if s.owner[n] != 0 {
			return int(s.owner[n]) - 1
		}
		kind, parent, known := s.f.pointer(n)
		if !known || kind != pointsToTree || parent == 0 || parent > s.f.pages {
			return -1
		}
		n = parent
	}
	return -1
}

// Kinds of entries in the pointer map.
const (
	pointsToRoot  = 1
	overflowFirst = 3
	overflowNext  = 4
	pointsToTree  = 5
)

// special reports whether a page holds no content of its own: a page of the pointer map, or the one that SQLite locks bytes in.
func (f *File) special(n uint32) bool {
	return n == f.lockPage() || f.autoVacuum && n >= 2 && n == f.mapPage(n)
}

func (f *File) lockPage() uint32 { return uint32(1<<30/f.pageSize) + 1 }

// mapPage is the page of the pointer map that has the entry of page n, or n itself when it is one.
func (f *File) mapPage(n uint32) uint32 {
	per := uint32(f.usable/5) + 1
	m := (n-2)/per*per + 2
	if m == f.lockPage() {
		m++
	}
	return m
}

// pointer returns a page's entry in the pointer map; known = there is one that can be true.
func (f *File) pointer(n uint32) (kind byte, parent uint32, known bool) {
	if !f.autoVacuum || n < 3 {
		return 0, 0, false
	}
	m := f.mapPage(n)
	if m != f.mapNo { // neighbours share it
		b, err := f.raw(m)
		if err != nil {
			b = nil
		}
		f.mapNo, f.mapBytes = m, b
	}
	b, at := f.mapBytes, 5*(int64(n)-int64(m)-1)
	if b == nil || at < 0 || at+5 > int64(f.usable) {
		return 0, 0, false
	}
	kind, parent = b[at], binary.BigEndian.Uint32(b[at+1:])
	return kind, parent, kind >= 1 && kind <= 5 && parent <= f.pages
}

// Each passes the cells of a tree in the order of their keys. A nil cell says that an unknown number of cells is missing at this place;
// [Survey.Orphans] may have some of them.
func (s *Survey) Each(t *Tree, visit func(*Cell)) {
	s.each(t, t.Root, map[uint32]bool{}, visit)
}

// Orphans passes the cells on pages of a tree that no readable page points to, in no order. Where such a page has bad cells, Each has told
// already that cells are missing.
func (s *Survey) Orphans(t *Tree, visit func(*Cell)) {
	for _, n := range t.orphans {
		s.leaf(n, visit)
	}
}

// leaf passes the cells of a page and not those below it.
func (s *Survey) leaf(n uint32, visit func(*Cell)) {
	p, err := s.f.page(n)
	if err != nil {
		return
	}
	for i := range p.cells {
		if c := &p.cells[i]; !c.bad && c.local != nil {
			visit(c)
		}
	}
}

func (s *Survey) each(t *Tree, n uint32, seen map[uint32]bool, visit func(*Cell)) {
	if n == 0 || n > s.f.pages || seen[n] || s.owner[n] == 0 || s.order[s.owner[n]-1] != t {
		visit(nil)
		return
	}
	seen[n] = true // a pointer in a circle ends here
	p, err := s.f.page(n)
	if err != nil {
		visit(nil)
		return
	}
	for i := range p.cells {
		if !p.leaf() && !p.cells[i].bad {
			s.each(t, p.cells[i].child, seen, visit)
		}
		s.cell(&p.cells[i], visit)
	}
	if !p.leaf() {
		s.each(t, p.right, seen, visit)
	}
}

func (s *Survey) cell(c *Cell, visit func(*Cell)) {
	switch {
	case c.bad:
		visit(nil)
	case c.local != nil:
		visit(c)
	}
}

// Strays passes the cells of leaf pages whose table is not known: they may be rows, or what is left of rows that were deleted.
func (s *Survey) Strays(visit func(*Cell)) {
	for _, n := range s.strays {
		s.leaf(n, visit)
	}
}
