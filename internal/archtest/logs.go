package archtest

import (
	"go/ast"
	"go/token"
	"slices"
	"strconv"
	"strings"
)

// logKeys are the keys of attributes in logs, in alphabetical order: one spelling each, so that logs can be searched.
func logKeys() []string {
	return []string{
		"actor", "addr", "age", "agent", "area", "attempt", "backlog", "batch", "bus", "bytes", "channel", "code", "command",
		"commit", "conn", "count", "data", "device", "devices", "doing", "driver", "dropped", "entity", "epoch", "err", "expires", "fault",
		"file", "files", "first", "frame", "free", "from", "host", "hub", "interval", "kind", "last", "level", "limit", "listen",
		"method", "name", "offset", "origin", "outbox", "path", "pin", "problem", "queued", "reason", "remote", "retry", "room",
		"rooms", "rule", "scenario", "segment", "sensor", "seq", "session", "signal", "silent", "size", "stack", "state",
		"status", "there", "to", "took", "type", "until", "url", "user", "uses", "version", "wait", "who", "window",
	}
}

// LoggerIsPassedIn refuses the global logger and printing past the command line: both make tests blind and output unstructured.
func LoggerIsPassedIn(t *Tree) []Violation {
	global := []string{"Default", "SetDefault", "Debug", "Info", "Warn", "Error", "Log", "LogAttrs", "DebugContext", "InfoContext", "WarnContext", "ErrorContext"}
	var bad []Violation
	for f := range t.code {
		ast.Inspect(f.Go, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			for _, name := range global {
				if isSelector(call.Fun, "slog", name) {
					bad = append(bad, t.at(f, call.Pos(), "slog.%s uses the global logger: take a *slog.Logger", name))
				}
			}
			for _, name := range []string{"Print", "Printf", "Println"} {
				if isSelector(call.Fun, "fmt", name) {
					bad = append(bad, t.at(f, call.Pos(), "fmt.%s prints past the program's streams: take a writer (cli.IO)", name))
				}
			}
			return true
		})
	}
	return bad
}

// LogKeys wants constant attribute keys from the list. It knows loggers by their name: log, logger, or a field of that name.
func LogKeys(t *Tree) []Violation {
	var bad []Violation
	for f := range t.code {
		ast.Inspect(f.Go, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			for _, arg := range keysOf(call) {
				lit, ok := arg.(*ast.BasicLit)
				if !ok || lit.Kind != token.STRING {
					continue // an attribute, or a value shifted by one: sloglint says so
				}
				if key, err := strconv.Unquote(lit.Value); err == nil && !slices.Contains(logKeys(), key) {
					bad = append(bad, t.at(f, lit.Pos(), "log key %q is not in the list of keys (internal/archtest/logs.go)", key))
				}
			}
			return true
		})
	}
	return bad
}

// keysOf returns the arguments of a call that are log keys.
func keysOf(call *ast.CallExpr) []ast.Expr {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return nil
	}
	if x, ok := sel.X.(*ast.Ident); ok && x.Name == "slog" {
		switch sel.Sel.Name {
		case "String", "Int", "Int64", "Uint64", "Float64", "Bool", "Time", "Duration", "Any", "Group":
			return call.Args[:min(1, len(call.Args))]
		}
		return nil
	}
	skip := 0
	switch sel.Sel.Name {
	case "Debug", "Info", "Warn", "Error":
		skip = 1
	case "DebugContext", "InfoContext", "WarnContext", "ErrorContext":
		skip = 2
	case "Log":
		skip = 3
	case "With":
	default:
		return nil
	}
	if !isLogger(sel.X) || len(call.Args) < skip {
		return nil
	}
	var keys []ast.Expr
	for i := skip; i < len(call.Args); i++ {
		if inner, ok := call.Args[i].(*ast.CallExpr); ok && isAttr(inner) {
			continue
		}
		keys = append(keys, call.Args[i])
		i++
	}
	return keys
}

func isAttr(call *ast.CallExpr) bool {
	s, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	x, ok := s.X.(*ast.Ident)
	return ok && x.Name == "slog"
}

func isLogger(e ast.Expr) bool {
	name := ""
	switch e := e.(type) {
	case *ast.Ident:
		name = e.Name
	case *ast.SelectorExpr:
		name = e.Sel.Name
	}
	name = strings.ToLower(name)
	return name == "log" || name == "logger"
}
