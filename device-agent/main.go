// Command device-agent reads sensors and drives actuators on a Raspberry Pi, or any Linux machine, and streams them to a Telltale hub.
//
//	device-agent --hub http://localhost:8080     # this machine's own figures, paired by itself with a hub on the same machine
//	device-agent --config agent.yaml             # what agent.example.yaml shows
//	device-agent scan                            # what is wired to this machine, and the configuration for it
//	device-agent check --config agent.yaml       # is the file right, and is everything it names there?
package main

import (
	"os"

	"github.com/telltale-iot/telltale/internal/cli"
)

// program is the command line.
type program struct {
	Run   runCommand   `cmd:"" default:"withargs" help:"Sample, send, obey. Stops at Ctrl-C with every output in its safe state."`
	Scan  scanCommand  `cmd:"" help:"Look what is wired to this machine, and write the configuration for it."`
	Check checkCommand `cmd:"" help:"Check a configuration and read everything it names once. Nothing is switched."`
}

func main() {
	os.Exit(cli.Main(cli.Program{
		Name:        "device-agent",
		Description: "Reads sensors and drives actuators on this machine and streams them to a Telltale hub. Without a configuration it sends the machine's own CPU, memory, disk, network and temperatures.",
	}, &program{}))
}
