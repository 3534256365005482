package room

import "github.com/telltale-iot/telltale/schema"

// maxEvents bounds the commands, gaps and filled spans a room remembers, each; who is further behind gets a snapshot.
const maxEvents = 256

// ring is the last events of one sort with their versions, oldest first.
type ring[T any] struct {
	items []stamped[T]
}

type stamped[T any] struct {
	ver  uint64
	what T
}

// add appends an event and returns the version of the one it pushed out; 0 = none.
func (r *ring[T]) add(ver uint64, what T) (lost uint64) {
	if len(r.items) == maxEvents {
		lost = r.items[0].ver
		r.items[0] = stamped[T]{} // let go of what it points to; append moves the rest when the array is used up
		r.items = r.items[1:]
	}
	r.items = append(r.items, stamped[T]{ver, what})
	return lost
}

// since returns the events with since < ver <= head.
func (r *ring[T]) since(since, head uint64) []T {
	var out []T
	for _, e := range r.items {
		if e.ver > since && e.ver <= head {
			out = append(out, e.what)
		}
	}
	return out
}

// commands is what a room knows of its device's commands: the open ones, the last of each channel, and the recent changes.
type commands struct {
	open map[string]schema.Command // by id
	last map[string]schema.Command // by channel's wire id
	log  ring[schema.Command]
}

func (c *commands) add(ver uint64, cmd schema.Command) (lost uint64) {
	if c.open == nil {
		c.open, c.last = map[string]schema.Command{}, map[string]schema.Command{}
	}
	if cmd.State.Final() {
		delete(c.open, cmd.ID)
	} else {
		c.open[cmd.ID] = cmd
	}
	ch := cmd.Entity + "." + cmd.Channel
	if last, ok := c.last[ch]; !ok || cmd.Seq >= last.Seq {
		c.last[ch] = cmd
	}
	return c.log.add(ver, cmd)
}

// since returns the commands that changed, each once as it was last. A command carries its whole log, so nothing is lost by that.
func (c *commands) since(since, head uint64) []schema.Command {
	changed := c.log.since(since, head)
	out := changed[:0]
	for i, cmd := range changed {
		newer := false
		for _, later := range changed[i+1:] {
			newer = newer || later.ID == cmd.ID
		}
		if !newer {
			out = append(out, cmd)
		}
	}
	return out
}

// now returns the open commands and the last of each channel, oldest first.
func (c *commands) now() []schema.Command {
	var out []schema.Command
	for _, cmd := range c.open {
		out = append(out, cmd)
	}
	for _, cmd := range c.last {
		if _, open := c.open[cmd.ID]; !open {
			out = append(out, cmd)
		}
	}
	sortCommands(out)
	return out
}
