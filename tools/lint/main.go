// Command lint is the project's set of linters in one program for `go vet -vettool`: few, and all of them errors.
//
// Run by `make lint`. Results are cached per package by the go command, so that a second run costs nothing. A finding is silenced, with a
// reason, by a comment on its line or the line above: //lint:ignore SA1019 the reason. What only this project can know (who may import
// what, sizes, doc comments) is held by internal/archtest instead.
package main

import (
	"github.com/kisielk/errcheck/errcheck"
	"golang.org/x/tools/go/analysis/unitchecker"
)

func main() {
	errcheck.DefaultExcludedSymbols = append(errcheck.DefaultExcludedSymbols,
		// Printing to a terminal or into a buffer: there is nobody left to tell.
		"fmt.Fprint", "fmt.Fprintf", "fmt.Fprintln", "(hash.Hash).Write", "(*strings.Builder).WriteString",
		// Closing what was only read, or a connection that is given up: nothing is lost. (Files that were written are not in this list.)
		"(*database/sql.Rows).Close", "(net.Conn).Close", "(*github.com/gorilla/websocket.Conn).Close", "(io.Closer).Close",
		"(io.ReadCloser).Close")
	unitchecker.Main(analyzers()...)
}
