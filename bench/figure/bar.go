package figure

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"text/tabwriter"
)

// Bar is a target and what was reached.
type Bar struct {
	// Name says what is compared with what.
	Name string `json:"name"`
	// Unit of Target and Reached; "x" for a ratio.
	Unit string `json:"unit"`
	// Target to reach.
	Target float64 `json:"target"`
	// Reached is NaN or infinite when it was not measured.
	Reached float64 `json:"-"`
	// AtMost is set when less is better.
	AtMost bool `json:"at_most"`
}

// known reports whether anything was measured.
func (b Bar) known() bool { return !math.IsNaN(b.Reached) && !math.IsInf(b.Reached, 0) }

// Met reports whether the target was reached; false when nothing was measured.
func (b Bar) Met() bool {
	if b.AtMost {
		return b.known() && b.Reached <= b.Target
	}
	return b.known() && b.Reached >= b.Target
}

func (b Bar) verdict() string {
	switch {
	case !b.known():
		return "not measured"
	case b.Met():
		return "met"
	}
	return "missed"
}

// PrintBars writes a table and a JSON line each.
func PrintBars(w io.Writer, bars []Bar) error {
	fmt.Fprintln(w, "\ntargets")
	t := tabwriter.NewWriter(w, 2, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\ttarget\treached\t")
	for _, b := range bars {
		sign := "≥"
		if b.AtMost {
			sign = "≤"
		}
		fmt.Fprintf(t, "%s\t%s %s %s\t%s\t%s\n", b.Name, sign, short(b.Target), b.Unit, short(b.Reached), b.verdict())
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, b := range bars {
		if !b.known() {
			continue
		}
		line, err := json.Marshal(struct {
			Bar
			Reached float64 `json:"reached"`
			Met     bool    `json:"met"`
		}{b, b.Reached, b.Met()})
		if err != nil {
			return fmt.Errorf("encode a target: %w", err)
		}
		if _, err := fmt.Fprintf(w, "JSON %s\n", line); err != nil {
			return err
		}
	}
	return nil
}
