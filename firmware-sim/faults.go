package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/telltale-iot/telltale/firmware-sim/fault"
	"github.com/telltale-iot/telltale/internal/cli"
)

// faultCommand talks to a running simulator.
type faultCommand struct {
	Data string `default:"data/home" placeholder:"FOLDER" help:"State folder of the running simulator (${default})."`

	Add   faultAdd   `cmd:"" help:"Break something: KIND:DEVICE[/PART][=VALUE][@START][+LENGTH]."`
	Clear faultClear `cmd:"" help:"Heal faults by number, or all of them."`
	List  faultList  `cmd:"" help:"Show what is broken and what will be."`
	Kinds faultKinds `cmd:"" help:"Explain what can be broken."`
}

type faultAdd struct {
	Faults []string `arg:"" name:"fault" help:"Such as lying_relay:sim-living-room/lamp@30s+1m or link_drop:*+10s."`
}

// Run adds faults.
func (c *faultAdd) Run(ctx context.Context, io *cli.IO, p *program) error {
	a, err := fault.Ask(ctx, p.Fault.Data, fault.Request{Op: "add", Faults: c.Faults})
	if err != nil {
		return err
	}
	return show(io, a.Faults)
}

type faultClear struct {
	IDs []int `arg:"" optional:"" name:"number" help:"As listed; none means all."`
}

// Run heals faults.
func (c *faultClear) Run(ctx context.Context, io *cli.IO, p *program) error {
	a, err := fault.Ask(ctx, p.Fault.Data, fault.Request{Op: "clear", IDs: c.IDs})
	if err != nil {
		return err
	}
	if a.Count == 0 && len(c.IDs) > 0 {
		return fmt.Errorf("there is no fault with this number; see: firmware-sim fault list")
	}
	fmt.Fprintf(io.Out, "healed: %d\n", a.Count)
	return show(io, a.Faults)
}

type faultList struct{}

// Run lists faults.
func (faultList) Run(ctx context.Context, io *cli.IO, p *program) error {
	a, err := fault.Ask(ctx, p.Fault.Data, fault.Request{Op: "list"})
	if err != nil {
		return err
	}
	return show(io, a.Faults)
}

type faultKinds struct{}

// Run explains the kinds of faults.
func (faultKinds) Run(_ context.Context, io *cli.IO) error {
	t := tabwriter.NewWriter(io.Out, 0, 4, 2, ' ', 0)
	for _, s := range fault.Shapes() {
		example := string(s.Kind) + ":DEVICE"
		if s.Part != "" {
			example += "/" + s.Part
		}
		if s.Value != "" {
			example += "=" + s.Value
		}
		fmt.Fprintf(t, "%s\t%s\n", example, s.Help)
	}
	fmt.Fprintln(t, "\nDEVICE * means all. Add @30s to begin later, +1m to heal by itself.")
	return t.Flush()
}

// show prints faults as a table.
func show(io *cli.IO, list []fault.Status) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(io.Out, "nothing is broken")
		return err
	}
	t := tabwriter.NewWriter(io.Out, 0, 4, 2, ' ', 0)
	for _, s := range list {
		left := (time.Duration(s.LeftMS) * time.Millisecond).Round(100 * time.Millisecond)
		when := "until it is cleared"
		switch {
		case !s.Active:
			when = fmt.Sprintf("begins in %s", left)
		case s.LeftMS > 0:
			when = fmt.Sprintf("ends in %s", left)
		}
		fmt.Fprintf(t, "%d\t%s\t%s\n", s.ID, s.Fault, when)
	}
	return t.Flush()
}
