package discover

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/telltale-iot/telltale/device-agent/config"
)

// YAML writes findings as entries of `sensors:`. What is not sure is written as a comment: a person decides.
func YAML(found []Found) string {
	var b strings.Builder
	for i := range found {
		f := &found[i]
		if f.Certainty == Unknown {
			continue
		}
		prefix := "  "
		if f.Certainty != Sure {
			prefix = "  # "
		}
		s := f.Sensor()
		where := s.Serial
		if where == "" {
			where = fmt.Sprintf("bus %s, 0x%02x", orFirst(s.Bus), s.Address)
		}
		if len(f.Drivers) > 1 {
			where += ", or " + strings.Join(f.Drivers[1:], " or ")
		}
		fmt.Fprintf(&b, "%s- driver: %-22s # %s: %s, %s\n", prefix, s.Driver, f.Certainty, where, f.Note)
		fmt.Fprintf(&b, "%s  id: %s\n%s  name: %s\n", prefix, s.ID, prefix, s.Name)
		if s.Serial != "" {
			fmt.Fprintf(&b, "%s  serial: %s\n", prefix, s.Serial)
			continue
		}
		if s.Bus != "" {
			fmt.Fprintf(&b, "%s  bus: %q\n", prefix, s.Bus)
		}
		fmt.Fprintf(&b, "%s  address: 0x%02x\n", prefix, s.Address)
		if s.Driver == "ads1115" {
			fmt.Fprintf(&b, "%s  inputs: [{id: %s_a0, pin: A0, max_volts: 3.3, unit: V}]\n", prefix, s.ID)
		}
	}
	return b.String()
}

func orFirst(bus string) string {
	if bus == "" {
		return "1"
	}
	return bus
}

// errByHand says that a file is not written in a way that can be added to safely.
var errByHand = errors.New("the file's sensors are written in a way that cannot be added to safely; add the lines above by hand")

// Add puts entries behind the last sensor of a configuration's text and leaves everything else as it stands, comments included. The result is
// checked: it must mean what the text meant before, and the new sensors. Errors: a text that was wrong before; errByHand.
func Add(name string, src []byte, entries string) ([]byte, error) {
	before, err := config.Parse(name, src)
	if err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(src)) == 0 || !hasSensors(src) {
		src = bytes.TrimRight(src, "\n")
		if len(src) > 0 {
			src = append(src, "\n\n"...)
		}
		src = append(src, "sensors:\n"...)
	}
	lines := strings.SplitAfter(string(src), "\n")
	if n := len(lines); lines[n-1] == "" {
		lines = lines[:n-1]
	} else {
		lines[n-1] += "\n"
	}
	at, indent, ok := end(lines)
	if !ok {
		return nil, errByHand
	}
	out := []byte(strings.Join(lines[:at], "") + reindent(entries, indent) + strings.Join(lines[at:], ""))
	after, err := config.Parse(name, out)
	if err != nil || !grown(before, after) {
		return nil, errors.Join(errByHand, err)
	}
	return out, nil
}

// hasSensors reports whether the text has the key.
func hasSensors(src []byte) bool {
	return bytes.HasPrefix(src, []byte("sensors:")) || bytes.Contains(src, []byte("\nsensors:"))
}

// end finds the line behind the last sensor, and how far sensors are indented.
func end(lines []string) (at int, indent string, ok bool) {
	start := -1
	for i, l := range lines {
		key, rest, found := strings.Cut(l, ":")
		if found && key == "sensors" {
			if r := strings.TrimSpace(rest); r != "" && !strings.HasPrefix(r, "#") {
				return 0, "", false // written in one line
			}
			start = i + 1
		}
	}
	if start < 0 {
		return 0, "", false
	}
	indent, at = "  ", start
	seen := false
	for i := start; i < len(lines); i++ {
		text := strings.TrimLeft(lines[i], " ")
		width := len(lines[i]) - len(text)
		switch {
		case strings.TrimSpace(text) == "" || strings.HasPrefix(text, "#"):
			continue // belongs to whatever follows
		case width == 0 && !strings.HasPrefix(text, "- "):
			return at, indent, true
		case !seen:
			indent, seen = lines[i][:width], true
		}
		at = i + 1
	}
	return at, indent, true
}

func reindent(entries, indent string) string {
	var b strings.Builder
	for l := range strings.Lines(entries) {
		b.WriteString(indent + strings.TrimPrefix(l, "  "))
	}
	return b.String()
}

// grown reports whether after is before with more sensors behind.
func grown(before, after *config.Config) bool {
	n := len(before.Sensors)
	if n == 1 && same(before.Sensors[0], config.HostSensor()) && (len(after.Sensors) == 0 || !same(after.Sensors[0], before.Sensors[0])) {
		n = 0 // the machine itself was meant because nothing was named
	}
	if len(after.Sensors) < n || !same(before.Sensors[:n], after.Sensors[:n]) {
		return false
	}
	b, a := *before, *after
	b.Sensors, a.Sensors = nil, nil
	return same(b, a)
}

// same compares parts of a configuration by their text.
func same(a, b any) bool {
	x, err := json.Marshal(a)
	y, err2 := json.Marshal(b)
	return err == nil && err2 == nil && bytes.Equal(x, y)
}

// Write adds entries to a file, or makes it. A crash leaves the old file or the new one.
func Write(file, entries string) error {
	src, err := os.ReadFile(file)
	mode := os.FileMode(0o644)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if info, err := os.Stat(file); err == nil {
		mode = info.Mode().Perm()
	}
	out, err := Add(filepath.Base(file), src, entries)
	if err != nil {
		return err
	}
	tmp := file + ".new"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	if _, err = f.Write(out); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return os.Rename(tmp, file)
}
