package crashfs

import "syscall"

func (d *Disk) read(n *node, p []byte, off int64) (int, syscall.Errno) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.dead:
		return 0, syscall.EIO
	case off >= int64(len(n.data)):
		return 0, 0
	}
	return copy(p, n.data[off:]), 0
}

func (d *Disk) write(n *node, p []byte, off int64) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	if no := d.begin(Write, n.name); no != 0 {
		return no
	}
	end := off + int64(len(p))
	if end > int64(len(n.data)) {
		if no := d.grow(n, end); no != 0 {
			return no
		}
		n.sized = true
	}
	copy(n.data[off:], p)
	first := off / sector * sector
	last := min((end+sector-1)/sector*sector, int64(len(n.data)))
	n.pending = append(n.pending, edit{off: first, data: append([]byte(nil), n.data[first:last]...)})
	n.touched = true
	return 0
}

// grow gives a file its new size, if there is room.
func (d *Disk) grow(n *node, size int64) syscall.Errno {
	more := size - int64(len(n.data))
	if n.links > 0 {
		if d.room > 0 && d.used+more > d.room && more > 0 {
			return syscall.ENOSPC
		}
		d.used += more
	}
	n.data = resize(n.data, size)
	return 0
}

func (d *Disk) truncate(n *node, size int64) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	if no := d.begin(Truncate, n.name); no != 0 {
		return no
	}
	return d.resize(n, size)
}

// extend is truncate for a file that never gets shorter.
func (d *Disk) extend(n *node, size int64) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	if no := d.begin(Truncate, n.name); no != 0 {
		return no
	}
	if size <= int64(len(n.data)) {
		return 0
	}
	return d.resize(n, size)
}

// resize changes a file's size, for programs at once and for the medium by the journal.
func (d *Disk) resize(n *node, size int64) syscall.Errno {
	if no := d.grow(n, size); no != 0 {
		return no
	}
	ch := change{size: size, done: new(bool)}
	d.journal = append(d.journal, ch)
	n.pending = append(n.pending, edit{truncate: &ch})
	n.touched, n.sized = true, true
	return 0
}

// sync brings a file's bytes to the medium, and the journal if it must.
func (d *Disk) sync(n *node, dataOnly bool) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	if no := d.begin(Sync, n.name); no != 0 {
		if !d.dead && !d.keepLost {
			n.forget()
		}
		return no
	}
	if n.sized || n.touched && !dataOnly {
		d.commit()
		n.touched, n.sized = false, false
	}
	for _, e := range n.pending {
		n.medium = e.apply(n.medium)
	}
	n.pending = nil
	return 0
}

// commit brings the journal to the medium.
func (d *Disk) commit() {
	for _, c := range d.journal {
		if c.done != nil {
			*c.done = true
		}
		for _, l := range c.links {
			l.applyTo(l.dir.synced)
		}
	}
	d.journal = nil
}

func (l link) applyTo(names map[string]*node) {
	if l.to == nil {
		delete(names, l.name)
	} else {
		names[l.name] = l.to
	}
}

// forget drops the writes that a failed sync should have written: the kernel has marked their pages clean.
func (n *node) forget() {
	left := n.pending[:0]
	for _, e := range n.pending {
		if e.truncate != nil {
			left = append(left, e)
		}
	}
	n.pending = left
}

// apply returns the bytes with the edit made.
func (e *edit) apply(b []byte) []byte {
	if e.truncate != nil {
		return resize(b, e.truncate.size)
	}
	if end := e.off + int64(len(e.data)); end > int64(len(b)) {
		b = resize(b, end)
	}
	copy(b[e.off:], e.data)
	return b
}

// resize cuts bytes off or appends zeros.
func resize(b []byte, size int64) []byte {
	if size <= int64(len(b)) {
		return b[:size]
	}
	return append(b, make([]byte, size-int64(len(b)))...)
}
