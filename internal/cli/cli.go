// Package cli is what the three programs share at the command line: flags, sub-commands, help, environment, signals and exit codes.
//
// A program is a struct of commands in kong's tags; every command has a method Run(ctx context.Context, io *cli.IO) error. Help
// (--help) and --version come by themselves, an error is one line in words on standard error, and every flag can also be set as
// TELLTALE_<FLAG>. This is the only package that knows the command-line library.
//
//	type program struct {
//		Serve serveCommand `cmd:"" default:"withargs" help:"Serve the dashboard."`
//		Tail  tailCommand  `cmd:"" help:"Watch frames live."`
//	}
//	type serveCommand struct {
//		Listen string  `default:"127.0.0.1:8080" help:"Address to listen on."`
//		Data   *string `help:"Data folder. Overrides the file."` // pointer: nil when neither flag nor environment set it
//	}
//	func (c *serveCommand) Run(ctx context.Context, io *cli.IO) error { … }
//
//	func main() { os.Exit(cli.Main(cli.Program{Name: "hub", Description: "…"}, &program{})) }
//
// A setting that a file may hold too is a pointer without a default: the command loads default, then file, then lets the flags
// that are not nil win (kong has put the environment below the flags already).
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/alecthomas/kong"
)

// Exit codes of every program.
const (
	ExitOK     = 0
	ExitFailed = 1 // the command ran and failed
	ExitUsage  = 2 // the command line was wrong; nothing ran
)

// envPrefix begins every environment variable that sets a flag: --data-dir is TELLTALE_DATA_DIR.
const envPrefix = "TELLTALE"

// version is set by the linker in released builds (-X …/internal/cli.version=v1.2.3) and never written otherwise.
var version string

// Program says what --help shows about the program itself.
type Program struct {
	Name        string
	Description string // a sentence or two
}

// IO is what a command may print to and read from, so that tests need no process.
type IO struct {
	In       io.Reader
	Out, Err io.Writer
}

// Main runs a program on the process's own arguments and streams and returns its exit code, which main hands to os.Exit.
//
// commands: pointer to a struct as the package comment shows. The context of the command ends at the first SIGINT or SIGTERM; a second
// one kills the process at once, so that a stuck shutdown can always be left.
func Main(p Program, commands any) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return Run(ctx, p, commands, os.Args[1:], &IO{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
}

// Run is [Main] with everything given: for tests. It returns when the command has.
//
// A command that ends because ctx ended (its error is context.Canceled) has not failed. Panics only when the commands struct
// itself is wrong, a programming error.
func Run(ctx context.Context, p Program, commands any, args []string, streams *IO) int {
	exit := -1
	parser := kong.Must(commands,
		kong.Name(p.Name), kong.Description(p.Description),
		kong.Writers(streams.Out, streams.Err),
		kong.Exit(func(code int) { exit = code; panic(stopParsing{}) }),
		kong.Embed(&struct {
			Version kong.VersionFlag `help:"Print the version and exit." env:"-"`
		}{}),
		kong.Vars{"version": p.Name + " " + Version()},
		kong.DefaultEnvars(envPrefix),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(streams),
	)
	parsed, err := parse(parser, args)
	if exit >= 0 {
		return exit
	}
	if err != nil {
		fmt.Fprintf(streams.Err, "%s: %v\nTry '%s --help'.\n", p.Name, err, p.Name)
		return ExitUsage
	}
	err = parsed.Run()
	var own *exitError
	switch {
	case err == nil, errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return ExitOK
	case errors.As(err, &own):
		exit = own.code
	default:
		exit = ExitFailed
	}
	fmt.Fprintf(streams.Err, "%s: %v\n", p.Name, err)
	return exit
}

// stopParsing unwinds kong after --help and --version, which believe that their exit ends the process.
type stopParsing struct{}

func parse(parser *kong.Kong, args []string) (parsed *kong.Context, err error) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(stopParsing); !ok {
				panic(r)
			}
		}
	}()
	return parser.Parse(args)
}

// exitError carries an exit code of its own.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// WithCode gives err an exit code other than [ExitFailed], for commands whose caller is a script ([ExitUsage] when a value was
// refused, for one). A nil err stays nil.
func WithCode(code int, err error) error {
	if err == nil {
		return nil
	}
	return &exitError{code: code, err: err}
}

// Version names the running build: the released version when there is one, otherwise the commit it was built from ("+dirty" when the
// tree was changed), otherwise "devel".
func Version() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	commit, dirty := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+dirty"
		}
	}
	if commit == "" {
		return "devel"
	}
	return commit + dirty
}
