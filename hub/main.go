// Command hub serves the dashboard and keeps what devices send.
//
//	hub                 serve on http://localhost:8080
//	hub config          print the settings in force
//	hub pair            print a one-time code for a new device
//	hub tail            watch frames pass
//	hub backup          make a backup, also of a running hub
//	hub check           look whether a store is whole
//	hub restore FILE    put a backup in place
//	hub salvage FILE    make a new store of what a damaged one still holds
//	hub sql QUERY       ask about the stored readings
//	hub export          write a device's readings to a file
//	hub import          bring a file's readings in
//
// serve.go has the settings, package app the hub itself.
package main

import (
	"os"
	_ "time/tzdata" // files of others name zones, and slim containers have none

	"github.com/telltale-iot/telltale/internal/cli"
)

type program struct {
	Serve  serveCommand  `cmd:"" default:"withargs" help:"Serve the dashboard and take what devices send. The default."`
	Config configCommand `cmd:"" help:"Print the settings in force, as a file that --config reads."`
	Pair   pairCommand   `cmd:"" help:"Print a one-time code that lets a new device in."`
	Tail   tailCommand   `cmd:"" help:"Watch frames pass, live."`
	Audit  auditCommand  `cmd:"" hidden:"" help:"Write every stored reading as a line of JSON, for tests that compare them; stop the hub first."`

	Backup  backupCommand  `cmd:"" help:"Make a backup and check it, also while the hub runs."`
	Check   checkCommand   `cmd:"" help:"Look whether a store is whole, also while the hub runs."`
	Restore restoreCommand `cmd:"" help:"Put a backup in the place of a data folder's store."`
	Salvage salvageCommand `cmd:"" help:"Make a new store of what a damaged one still holds, and say what is lost."`
	SQL     sqlCommand     `cmd:"" name:"sql" help:"Ask about what is stored, packed readings included; also while the hub runs."`
	Export  exportCommand  `cmd:"" help:"Write a device's readings to a file."`
	Import  importCommand  `cmd:"" help:"Bring the readings of a file into a device."`
}

func main() {
	os.Exit(cli.Main(cli.Program{
		Name:        "hub",
		Description: "The hub of Telltale: keeps the readings of your devices, shows them live, carries commands to them.",
	}, &program{}))
}
