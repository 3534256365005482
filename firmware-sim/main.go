// Command firmware-sim plays a home, a greenhouse, a ward or a machine hall without hardware: the shipped agents and drivers on modelled chips, in a world
// that answers to what they do.
//
// `firmware-sim run` plays, `firmware-sim fault` breaks things while it plays, `firmware-sim scenarios` lists what there is. Start reading
// at runCommand; the parts are in world, chip, fault, scenario and fleet.
package main

import (
	"context"
	"fmt"
	"os"
	"text/tabwriter"

	"github.com/telltale-iot/telltale/firmware-sim/scenario"
	"github.com/telltale-iot/telltale/internal/cli"
)

// program is the command line.
type program struct {
	Run       runCommand       `cmd:"" default:"withargs" help:"Play a scenario (the usual command)."`
	Fault     faultCommand     `cmd:"" help:"Break and heal things in a simulator that is running."`
	Scenarios scenariosCommand `cmd:"" help:"List the scenarios that come with the program."`
}

func main() {
	os.Exit(cli.Main(cli.Program{
		Name:        "firmware-sim",
		Description: "A home without hardware: real agents and drivers on modelled chips, with faults on demand.",
	}, &program{}))
}

type scenariosCommand struct{}

// Run lists the scenarios with their descriptions.
func (scenariosCommand) Run(_ context.Context, io *cli.IO) error {
	t := tabwriter.NewWriter(io.Out, 0, 4, 2, ' ', 0)
	for _, name := range scenario.Names() {
		s, err := scenario.Open(name)
		if err != nil {
			return err
		}
		fmt.Fprintf(t, "%s\t%d devices\t%s\n", name, len(s.Devices), s.Description)
	}
	return t.Flush()
}
