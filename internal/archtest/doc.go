// Package archtest holds the rules of this tree that a compiler does not know: who may import what, that every package says what it is
// for, sizes, no hidden state, honest tests, the layers of the dashboard, and that the documents tell the truth about names.
//
// A rule is a function from a [Tree] to the places that break it; [Rules] lists them all. The package's own test runs every rule
// over this repository, and each rule over a tiny bad tree, so that a rule that cannot fail is noticed. It reads files only: it
// runs nothing and needs no network. To allow something new (a library, a log key), change the table beside its rule, with a reason.
//
// Start at [Rules].
package archtest

// Rule is one thing that must hold everywhere.
type Rule struct {
	Name  string
	Check func(*Tree) []Violation
}

// Rules lists every rule.
func Rules() []Rule {
	return []Rule{
		{"arrows", Arrows},
		{"libraries", Libraries},
		{"package docs", PackageDocs},
		{"name docs", NameDocs},
		{"sizes", Sizes},
		{"no init", NoInit},
		{"no mutable globals", NoMutableGlobals},
		{"no sleep in tests", NoSleepInTests},
		{"no loose TODO", NoLooseTODO},
		{"logger is passed in", LoggerIsPassedIn},
		{"log keys", LogKeys},
		{"dashboard layers", DashboardLayers},
		{"no workplace paths", NoWorkplacePaths},
		{"links lead somewhere", LinksLeadSomewhere},
		{"named tests exist", NamedTestsExist},
	}
}
