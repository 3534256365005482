package crashfs

import (
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
)

// sector is what a disk writes whole, in bytes.
const sector = 512

// Cut cuts the power, if the hook has not done so, and returns a disk with what the medium has. The old one answers everything with EIO.
//
// rng chooses what of the unsynced came through: nothing, everything, or a random part of each file's sectors and a random number of the
// oldest changes of names. The same disk may be cut several times: each answer is another way the same cut could have ended.
func (d *Disk) Cut(rng *rand.Rand) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dead = true
	c := cutter{rng: rng, came: map[*bool]bool{}, keep: []float64{0, 0.1, 0.5, 0.9, 1}[rng.IntN(5)]}
	came := rng.IntN(len(d.journal) + 1)
	switch c.keep {
	case 0:
		came = 0
	case 1:
		came = len(d.journal)
	}
	c.names = map[*node]map[string]*node{}
	for _, ch := range d.journal[:came] {
		if ch.done != nil {
			c.came[ch.done] = true
		}
		for _, l := range ch.links {
			l.applyTo(c.namesOf(l.dir))
		}
	}
	after := New()
	after.room = d.room
	c.copyFolder(after, after.root, d.root)
	after.commit()
	return after
}

// cutter decides what survives a cut.
type cutter struct {
	rng   *rand.Rand
	keep  float64                    // how likely an unsynced sector is there
	came  map[*bool]bool             // truncations that came through
	names map[*node]map[string]*node // folders as the medium has them with the changes that came through
}

func (c *cutter) namesOf(dir *node) map[string]*node {
	m, ok := c.names[dir]
	if !ok {
		m = maps.Clone(dir.synced)
		c.names[dir] = m
	}
	return m
}

func (c *cutter) copyFolder(d *Disk, to, from *node) {
	names := c.namesOf(from)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		old := names[name]
		n := d.newNode(old.mode)
		n.name, n.links, n.touched, n.sized = name, 1, false, false
		to.names[name], to.synced[name] = n, n
		if old.mode.IsDir() {
			c.copyFolder(d, n, old)
			continue
		}
		n.medium = c.bytes(old)
		n.data = slices.Clone(n.medium)
		d.used += int64(len(n.data))
	}
}

// bytes returns what the medium has of a file.
func (c *cutter) bytes(n *node) []byte {
	b := slices.Clone(n.medium)
	for _, e := range n.pending {
		if e.truncate != nil {
			if !*e.truncate.done && !c.came[e.truncate.done] {
				return b
			}
			b = e.apply(b)
			continue
		}
		for off := 0; off < len(e.data); off += sector {
			if c.rng.Float64() < c.keep {
				part := edit{off: e.off + int64(off), data: e.data[off:min(off+sector, len(e.data))]}
				b = part.apply(b)
			}
		}
	}
	return b
}

// Export writes the files as programs see them into a folder of a real disk.
func (d *Disk) Export(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return export(d.root, dir)
}

func export(n *node, path string) error {
	if !n.mode.IsDir() {
		return os.WriteFile(path, n.data, n.mode.Perm())
	}
	if err := os.MkdirAll(path, n.mode.Perm()); err != nil {
		return err
	}
	for name, child := range n.names {
		if err := export(child, filepath.Join(path, name)); err != nil {
			return err
		}
	}
	return nil
}
