// Package figure keeps what was measured and prints it: a table for people, one JSON line for machines.
//
// A [Sheet] has a column per variant that was measured (the hub, a naive baseline) and a row per figure. A variant that was measured several
// times shows the median with the least and the greatest value, and every other column its ratio to the first. Nothing is rounded in the JSON.
package figure

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Value is one measured figure.
type Value struct {
	// Name of the figure, the same in every variant.
	Name string
	// Unit of V.
	Unit string
	// V is NaN when the figure could not be measured.
	V float64
}

// Sheet collects the figures of one benchmark.
type Sheet struct {
	// Name of the benchmark, "ingest".
	Name string
	// Note says what was set up, in a line.
	Note string
	// Seed that the inputs came from.
	Seed uint64

	variants []string
	rows     []row
}

type row struct {
	name, unit string
	runs       map[string][]float64
}

// Add puts the figures of one run of a variant into the sheet. The first variant added is the one that others are compared with.
func (s *Sheet) Add(variant string, values ...Value) {
	if !slices.Contains(s.variants, variant) {
		s.variants = append(s.variants, variant)
	}
	for _, v := range values {
		i := slices.IndexFunc(s.rows, func(r row) bool { return r.name == v.Name })
		if i < 0 {
			i = len(s.rows)
			s.rows = append(s.rows, row{name: v.Name, unit: v.Unit, runs: map[string][]float64{}})
		}
		s.rows[i].runs[variant] = append(s.rows[i].runs[variant], v.V)
	}
}

// Median returns the median of a figure of a variant; NaN when it was not measured.
func (s *Sheet) Median(variant, name string) float64 {
	for _, r := range s.rows {
		if r.name == name {
			_, median, _ := spread(r.runs[variant])
			return median
		}
	}
	return math.NaN()
}

// Print writes the table and the JSON line.
func (s *Sheet) Print(w io.Writer) error {
	fmt.Fprintf(w, "\n%s: %s (seed %d)\n", s.Name, s.Note, s.Seed)
	t := tabwriter.NewWriter(w, 2, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "figure\tunit\t%s\t\n", strings.Join(s.headings(), "\t"))
	for _, r := range s.rows {
		cells := []string{r.name, r.unit}
		_, first, _ := spread(r.runs[s.variants[0]])
		for i, v := range s.variants {
			cells = append(cells, cell(r.runs[v]))
			if i > 0 {
				_, median, _ := spread(r.runs[v])
				cells = append(cells, ratio(median, first))
			}
		}
		fmt.Fprintln(t, strings.Join(cells, "\t")+"\t")
	}
	if err := t.Flush(); err != nil {
		return err
	}
	return s.line(w)
}

func (s *Sheet) headings() []string {
	var all []string
	for i, v := range s.variants {
		all = append(all, v)
		if i > 0 {
			all = append(all, "/ "+s.variants[0])
		}
	}
	return all
}

// line writes the machine's form: every run of every variant.
func (s *Sheet) line(w io.Writer) error {
	type figure struct {
		Name string               `json:"name"`
		Unit string               `json:"unit"`
		Runs map[string][]float64 `json:"runs"`
	}
	out := struct {
		Bench   string   `json:"bench"`
		Note    string   `json:"note"`
		Seed    uint64   `json:"seed"`
		AtMS    int64    `json:"at_ms"`
		Figures []figure `json:"figures"`
	}{s.Name, s.Note, s.Seed, time.Now().UnixMilli(), nil}
	for _, r := range s.rows {
		f := figure{r.name, r.unit, map[string][]float64{}}
		for v, runs := range r.runs {
			for _, x := range runs {
				if !math.IsNaN(x) && !math.IsInf(x, 0) {
					f.Runs[v] = append(f.Runs[v], x)
				}
			}
		}
		out.Figures = append(out.Figures, f)
	}
	b, err := json.Marshal(out)
	if err != nil {
		return fmt.Errorf("encode figures: %w", err)
	}
	_, err = fmt.Fprintf(w, "JSON %s\n", b)
	return err
}

func spread(runs []float64) (least, median, most float64) {
	known := slices.DeleteFunc(slices.Clone(runs), math.IsNaN)
	if len(known) == 0 {
		return math.NaN(), math.NaN(), math.NaN()
	}
	slices.Sort(known)
	return known[0], known[len(known)/2], known[len(known)-1]
}

func cell(runs []float64) string {
	least, median, most := spread(runs)
	if len(runs) < 2 || least == most {
		return short(median)
	}
	return fmt.Sprintf("%s (%s–%s)", short(median), short(least), short(most))
}

func ratio(a, b float64) string {
	if math.IsNaN(a) || math.IsNaN(b) || b == 0 {
		return "–"
	}
	return short(a/b) + "x"
}

// short writes three significant digits or the whole number.
func short(x float64) string {
	switch a := math.Abs(x); {
	case math.IsNaN(x):
		return "–"
	case a >= 100 || a == math.Trunc(a):
		return fmt.Sprintf("%.0f", x)
	case a >= 10:
		return fmt.Sprintf("%.1f", x)
	default:
		return fmt.Sprintf("%.3g", x)
	}
}
