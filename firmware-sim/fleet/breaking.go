package fleet

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/telltale-iot/telltale/firmware-sim/chip"
	"github.com/telltale-iot/telltale/firmware-sim/fault"
)

var _ fault.Target = (*Fleet)(nil)

// Check implements fault.Target: whether the device and the part are there.
func (f *Fleet) Check(s fault.Spec) error {
	_, err := f.aims(s)
	return err
}

// aims lists the devices that a fault is for.
func (f *Fleet) aims(s fault.Spec) ([]*node, error) {
	var list []*node
	if s.Device == "*" {
		list = f.nodes
	} else if n := f.byID[s.Device]; n != nil {
		list = []*node{n}
	} else {
		return nil, fmt.Errorf("fault %s: there is no device %q; there is %s", s, s.Device, f.some())
	}
	if s.Part == "" {
		return list, nil
	}
	var with []*node
	for _, n := range list {
		if slices.Contains(n.parts(s.Kind), s.Part) {
			with = append(with, n)
		}
	}
	if len(with) == 0 {
		return nil, fmt.Errorf("fault %s: %s has no %q to break like that; it has %s", s, s.Device, s.Part, strings.Join(list[0].parts(s.Kind), ", "))
	}
	return with, nil
}

// some names the devices, as many as a person reads.
func (f *Fleet) some() string {
	const enough = 12
	var ids []string
	for _, n := range f.nodes[:min(enough, len(f.nodes))] {
		ids = append(ids, n.device.Agent.Device)
	}
	if len(f.nodes) > enough {
		ids = append(ids, fmt.Sprintf("… %d in all", len(f.nodes)))
	}
	return strings.Join(ids, ", ")
}

// parts lists what of a device a kind of fault can break.
func (n *node) parts(k fault.Kind) []string {
	var ids []string
	if k == fault.LyingRelay {
		for id := range n.outputs {
			ids = append(ids, id)
		}
	} else {
		for id := range n.sensors {
			ids = append(ids, id)
		}
	}
	sort.Strings(ids)
	return ids
}

// Inject implements fault.Target.
func (f *Fleet) Inject(s fault.Spec) (func(), error) {
	list, err := f.aims(s)
	if err != nil {
		return nil, err
	}
	var heals []func()
	heal := func() {
		for _, h := range heals {
			h()
		}
	}
	for _, n := range list {
		h, err := n.inject(s)
		if err != nil {
			heal()
			return nil, err
		}
		heals = append(heals, h)
	}
	return heal, nil
}

func (n *node) inject(s fault.Spec) (func(), error) {
	switch s.Kind {
	case fault.LinkDrop:
		return n.link.Drop(), nil
	case fault.LinkHalfOpen:
		return n.link.HalfOpen(), nil
	case fault.LinkDelay:
		return n.link.Delay(s.Span), nil
	case fault.LinkCut:
		return n.link.Cut(s.Bytes), nil
	case fault.Clock1970:
		return n.wall.Forget(), nil
	case fault.ClockJump:
		return n.wall.Jump(s.Span), nil
	case fault.Reboot:
		return n.power.off(), nil
	case fault.BusStuck:
		return n.hold("the I2C bus", func(on bool) {
			for _, b := range n.buses {
				b.Stick(on)
			}
		})
	case fault.LyingRelay:
		return n.hold(s.Part, n.outputs[s.Part].Lie)
	}
	condition, ok := map[fault.Kind]chip.Condition{fault.SensorStuck: chip.Stuck, fault.SensorDead: chip.Dead, fault.SensorAbsurd: chip.Absurd}[s.Kind]
	if !ok {
		return nil, fmt.Errorf("fault %s: the simulator cannot do this", s)
	}
	health := n.sensors[s.Part]
	return n.hold(s.Part, func(on bool) {
		if !on {
			condition = chip.Healthy
		}
		health.Set(condition)
	})
}

// hold breaks a piece of hardware, which can be broken in one way at a time.
func (n *node) hold(what string, set func(on bool)) (func(), error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.broken[what] {
		return nil, fmt.Errorf("%s of %s is broken already; clear that fault first", what, n.device.Agent.Device)
	}
	n.broken[what] = true
	set(true)
	return sync.OnceFunc(func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.broken, what)
		set(false)
	}), nil
}
