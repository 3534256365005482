package cli_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/telltale-iot/telltale/internal/cli"
)

type serve struct {
	Listen string  `default:"127.0.0.1:8080" help:"Address to listen on."`
	Data   *string `help:"Data folder."`
}

func (s *serve) Run(_ context.Context, io *cli.IO) error {
	data := "-"
	if s.Data != nil {
		data = *s.Data
	}
	_, err := fmt.Fprintln(io.Out, "serve", s.Listen, data)
	return err
}

type fail struct {
	How string `arg:"" optional:""`
}

func (f *fail) Run(ctx context.Context) error {
	switch f.How {
	case "coded":
		return cli.WithCode(7, errors.New("coded"))
	case "canceled":
		return fmt.Errorf("serve: %w", ctx.Err())
	}
	return fmt.Errorf("open store: %w", errors.New("disk full"))
}

type program struct {
	Serve serve `cmd:"" default:"withargs" help:"Serve."`
	Fail  fail  `cmd:"" help:"Fail."`
}

func run(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = cli.Run(ctx, cli.Program{Name: "prog", Description: "A program."}, &program{}, args, &cli.IO{Out: &out, Err: &errs})
	return code, out.String(), errs.String()
}

func TestCommandLineChoosesCommandAndValues(t *testing.T) {
	t.Setenv("TELLTALE_DATA", "from-env")
	cases := []struct {
		name string
		args []string
		want string
	}{
		{"default command", nil, "serve 127.0.0.1:8080 from-env\n"},
		{"default command with flag", []string{"--listen=:1"}, "serve :1 from-env\n"},
		{"named command, flag beats environment", []string{"serve", "--data", "flag"}, "serve 127.0.0.1:8080 flag\n"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if code, out, errs := run(t.Context(), c.args...); code != cli.ExitOK || out != c.want || errs != "" {
				t.Errorf("got %d %q %q", code, out, errs)
			}
		})
	}
}

func TestUnsetPointerFlagIsNil(t *testing.T) {
	if _, out, _ := run(t.Context()); out != "serve 127.0.0.1:8080 -\n" {
		t.Errorf("got %q", out)
	}
}

func TestErrorsAreOneLineInWordsWithAnExitCode(t *testing.T) {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	cases := []struct {
		name string
		ctx  context.Context
		args []string
		code int
		errs string
	}{
		{"failure", t.Context(), []string{"fail"}, cli.ExitFailed, "prog: open store: disk full\n"},
		{"own code", t.Context(), []string{"fail", "coded"}, 7, "prog: coded\n"},
		{"stopped by signal", canceled, []string{"fail", "canceled"}, cli.ExitOK, ""},
		{"unknown flag", t.Context(), []string{"serve", "--lissten=1"}, cli.ExitUsage, "prog: unknown flag --lissten, did you mean \"--listen\"?\nTry 'prog --help'.\n"},
		{"unknown command", t.Context(), []string{"sevre"}, cli.ExitUsage, "prog: unexpected argument sevre\nTry 'prog --help'.\n"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if code, _, errs := run(c.ctx, c.args...); code != c.code || errs != c.errs {
				t.Errorf("got %d %q", code, errs)
			}
		})
	}
}

func TestHelpAndVersionExitCleanly(t *testing.T) {
	code, out, _ := run(t.Context(), "--help")
	if code != cli.ExitOK || !strings.Contains(out, "A program.") {
		t.Errorf("got %d %s", code, out)
	}
	if code, out, _ := run(t.Context(), "--version"); code != cli.ExitOK || !strings.HasPrefix(out, "prog ") {
		t.Errorf("got %d %q", code, out)
	}
	if code, out, _ := run(t.Context(), "serve", "--help"); code != cli.ExitOK || !strings.Contains(out, "$TELLTALE_DATA") {
		t.Errorf("got %d %q", code, out)
	}
}
