// Command hub serves the dashboard and keeps what devices send.
//
//	hub                 serve on http://localhost:8080
//	hub config          print the settings in force
//	hub pair            print a one-time code for a new device
//	hub tail            watch frames pass
//
// serve.go has the settings, package app the hub itself.
package main

import (
	"os"

	"github.com/telltale-iot/telltale/internal/cli"
)

type program struct {
	Serve  serveCommand  `cmd:"" default:"withargs" help:"Serve the dashboard and take what devices send. The default."`
	Config configCommand `cmd:"" help:"Print the settings in force, as a file that --config reads."`
	Pair   pairCommand   `cmd:"" help:"Print a one-time code that lets a new device in."`
	Tail   tailCommand   `cmd:"" help:"Watch frames pass, live."`
	Audit  auditCommand  `cmd:"" hidden:"" help:"Write every stored reading as a line of JSON, for tests that compare them; stop the hub first."`
}

func main() {
	os.Exit(cli.Main(cli.Program{
		Name:        "hub",
		Description: "The hub of Telltale: keeps the readings of your devices, shows them live, carries commands to them.",
	}, &program{}))
}
