package main

import (
	"go/ast"
	"path"
	"strings"

	"github.com/jingyugao/rowserrcheck/passes/rowserr"
	"github.com/kisielk/errcheck/errcheck"
	"github.com/ryanrolds/sqlclosecheck/pkg/analyzer"
	"go-simpler.org/sloglint"
	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/appends"
	"golang.org/x/tools/go/analysis/passes/assign"
	"golang.org/x/tools/go/analysis/passes/atomic"
	"golang.org/x/tools/go/analysis/passes/atomicalign"
	"golang.org/x/tools/go/analysis/passes/bools"
	"golang.org/x/tools/go/analysis/passes/copylock"
	"golang.org/x/tools/go/analysis/passes/defers"
	"golang.org/x/tools/go/analysis/passes/directive"
	"golang.org/x/tools/go/analysis/passes/errorsas"
	"golang.org/x/tools/go/analysis/passes/httpresponse"
	"golang.org/x/tools/go/analysis/passes/ifaceassert"
	"golang.org/x/tools/go/analysis/passes/lostcancel"
	"golang.org/x/tools/go/analysis/passes/nilfunc"
	"golang.org/x/tools/go/analysis/passes/nilness"
	"golang.org/x/tools/go/analysis/passes/printf"
	"golang.org/x/tools/go/analysis/passes/shift"
	"golang.org/x/tools/go/analysis/passes/slog"
	"golang.org/x/tools/go/analysis/passes/stdmethods"
	"golang.org/x/tools/go/analysis/passes/stringintconv"
	"golang.org/x/tools/go/analysis/passes/structtag"
	"golang.org/x/tools/go/analysis/passes/testinggoroutine"
	"golang.org/x/tools/go/analysis/passes/tests"
	"golang.org/x/tools/go/analysis/passes/timeformat"
	"golang.org/x/tools/go/analysis/passes/unmarshal"
	"golang.org/x/tools/go/analysis/passes/unreachable"
	"golang.org/x/tools/go/analysis/passes/unusedresult"
	"golang.org/x/tools/go/analysis/passes/unusedwrite"
	"honnef.co/go/tools/simple"
	"honnef.co/go/tools/staticcheck"
	"honnef.co/go/tools/unused"
)

// analyzers are go vet's own (a vettool replaces them), staticcheck's bugs and simplifications, and five for what Go lets one forget.
func analyzers() []*analysis.Analyzer {
	all := []*analysis.Analyzer{
		appends.Analyzer, assign.Analyzer, atomic.Analyzer, atomicalign.Analyzer, bools.Analyzer, copylock.Analyzer, defers.Analyzer,
		directive.Analyzer, errorsas.Analyzer, httpresponse.Analyzer, ifaceassert.Analyzer, lostcancel.Analyzer, nilfunc.Analyzer,
		nilness.Analyzer, printf.Analyzer, shift.Analyzer, slog.Analyzer, stdmethods.Analyzer, stringintconv.Analyzer,
		structtag.Analyzer, testinggoroutine.Analyzer, tests.Analyzer, timeformat.Analyzer, unmarshal.Analyzer, unreachable.Analyzer,
		unusedresult.Analyzer, unusedwrite.Analyzer,

		errcheck.Analyzer,           // errors dropped without a word; `_ =` is a word
		rowsClosed(),                // sql.Rows left open
		rowserr.NewAnalyzer(),       // rows.Err() never asked
		sloglint.New(slogOptions()), // constant messages, attributes with one spelling, no global logger
		dead(),                      // dead code
	}
	for _, a := range staticcheck.Analyzers {
		all = append(all, a.Analyzer)
	}
	for _, a := range simple.Analyzers {
		all = append(all, a.Analyzer)
	}
	for _, a := range all {
		obeyIgnores(a)
	}
	return all
}

// rowsClosed finds result sets that are never closed. Prepared statements are left out: the store keeps them for its life.
func rowsClosed() *analysis.Analyzer {
	a := analyzer.NewAnalyzer()
	run := a.Run
	a.Run = func(pass *analysis.Pass) (any, error) {
		report, quiet := pass.Report, *pass
		quiet.Report = func(d analysis.Diagnostic) {
			for e, tv := range pass.TypesInfo.Types {
				if call, ok := e.(*ast.CallExpr); ok && call.Lparen == d.Pos && strings.Contains(tv.Type.String(), "database/sql.Stmt") {
					return
				}
			}
			report(d)
		}
		return run(&quiet)
	}
	return a
}

// dead reports unexported code that nobody uses; staticcheck's own analyzer finds it but leaves the reporting to its command.
func dead() *analysis.Analyzer {
	find := unused.Analyzer.Analyzer
	return &analysis.Analyzer{
		Name: "U1000", Doc: "unused code", Requires: []*analysis.Analyzer{find},
		Run: func(pass *analysis.Pass) (any, error) {
			for _, o := range pass.ResultOf[find].(unused.Result).Unused {
				for _, f := range pass.Files {
					if file := pass.Fset.File(f.Pos()); file.Name() == o.Position.Filename {
						pass.Reportf(file.Pos(o.Position.Offset), "%s %s is never used", o.Kind, o.Name)
					}
				}
			}
			return nil, nil
		},
	}
}

func slogOptions() *sloglint.Options {
	return &sloglint.Options{NoGlobalLogger: "all", StaticMessage: true, MessageStyle: "lowercased", NoMixedArguments: true, KeyNamingCase: "snake"}
}

// obeyIgnores makes an analyzer keep silent where a comment says so, and sign what it says, so that one knows what to write there.
func obeyIgnores(a *analysis.Analyzer) {
	run := a.Run
	a.Run = func(pass *analysis.Pass) (any, error) {
		var ignored map[int]bool // lines of this package's files, keyed by file base and line
		report := pass.Report
		quiet := *pass
		quiet.Report = func(d analysis.Diagnostic) {
			if ignored == nil {
				ignored = ignores(pass, a.Name)
			}
			p := pass.Fset.File(d.Pos)
			forTests := p != nil && (strings.HasSuffix(p.Name(), "_test.go") || strings.HasSuffix(path.Dir(p.Name()), "test"))
			if a.Name == "errcheck" && forTests { // a test says what it checks
				return
			}
			if p == nil || !ignored[p.Base()+p.Line(d.Pos)] {
				d.Message += " (" + a.Name + ")"
				report(d)
			}
		}
		return run(&quiet)
	}
}

func ignores(pass *analysis.Pass, check string) map[int]bool {
	lines := map[int]bool{}
	for _, f := range pass.Files {
		for _, g := range f.Comments {
			for _, c := range g.List {
				rest, ok := strings.CutPrefix(c.Text, "//lint:ignore ")
				name, reason, _ := strings.Cut(rest, " ")
				if !ok || name != check || strings.TrimSpace(reason) == "" {
					continue
				}
				p := pass.Fset.File(c.Pos())
				lines[p.Base()+p.Line(c.Pos())] = true
				lines[p.Base()+p.Line(c.Pos())+1] = true
			}
		}
	}
	return lines
}
