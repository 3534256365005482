package export

import (
	"fmt"
	"io"

	"github.com/telltale-iot/telltale/schema"
)

// RelativeBelow is where SenML's times end to be absolute, in seconds: a smaller one counts from now (RFC 8428, section 4.5.3).
const RelativeBelow = 1 << 28

// Version is the version of SenML, and VersionSecondary what a pack has that uses secondary units: 10 + 2^4 (RFC 9100, section 4).
const (
	Version          = 10
	VersionSecondary = 26
)

// senmlForm writes one SenML pack in JSON, a record per line. A channel begins with a base name, which is its whole name, and a base time;
// the records after it have only what changes. Units are the registry's (units.go); one that has none there is left out. Qualities have no
// place in SenML.
//
// A name is "telltale:<hub>:<device>:<channel>", without the hub when that is not named: a URI by its form, of the characters that RFC 8428,
// section 4.5.1, allows.
type senmlForm struct {
	w         io.Writer
	origin    string
	secondary bool // secondary units may be used
	begun     bool
	last      [4]string // device, channel, unit, class
	baseMS    int64
	unit      []byte
	line      []byte
}

func (f *senmlForm) put(r *Row) (bool, error) {
	if r.Value.IsNull() || r.TMS < RelativeBelow*1000 {
		return false, nil
	}
	b := append(f.line[:0], "[\n"...)
	if f.begun {
		b = append(f.line[:0], ",\n"...)
	}
	key := [4]string{r.Device, r.Channel, r.Unit, r.Class}
	if !f.begun || key != f.last {
		name := SenMLName(f.origin, r.Device, r.Channel)
		if !ValidSenMLName(name) {
			return false, fmt.Errorf("SenML does not allow the name %q; choose another format or leave this channel out", name)
		}
		b = append(b, '{')
		if !f.begun && f.secondary {
			b = append(appendInt(append(b, `"bver":`...), VersionSecondary), ',')
		}
		f.begun, f.last, f.baseMS, f.unit = true, key, r.TMS, f.unit[:0]
		if u, secondary := SenMLUnit(r.Unit, r.Class); u != "" && (f.secondary || !secondary) && r.Value.Type() == schema.TypeNumber {
			f.unit = append(appendJSON(append(f.unit, `"u":`...), u), ',')
		}
		b = append(appendJSON(append(b, `"bn":`...), name), `,"bt":`...)
		b = append(appendSeconds(b, r.TMS), ',')
		b = append(b, f.unit...)
	} else {
		b = append(append(b, '{'), f.unit...)
		if r.TMS != f.baseMS {
			b = append(appendSeconds(append(b, `"t":`...), r.TMS-f.baseMS), ',')
		}
	}
	switch r.Value.Type() {
	case schema.TypeNumber:
		b = append(b, `"v":`...)
	case schema.TypeBool:
		b = append(b, `"vb":`...)
	default:
		b = append(b, `"vs":`...)
	}
	b = r.Value.AppendJSON(b)
	f.line = append(b, '}')
	_, err := f.w.Write(f.line)
	return true, err
}

func (f *senmlForm) end() error {
	text := "\n]\n"
	if !f.begun {
		text = "[]\n"
	}
	_, err := io.WriteString(f.w, text)
	return err
}

// SenMLName names a channel in SenML.
func SenMLName(origin, device, channel string) string {
	if origin != "" {
		origin += ":"
	}
	return "telltale:" + origin + device + ":" + channel
}

// ValidSenMLName reports whether SenML allows a name (RFC 8428, section 4.5.1).
func ValidSenMLName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && (i == 0 || c != '-' && c != ':' && c != '.' && c != '/' && c != '_') {
			return false
		}
	}
	return s != ""
}

// appendSeconds writes ms as seconds: exactly, with as many decimals as it needs. Base and offset together are exact too in the doubles of
// whoever reads them, as long as the milliseconds are below 2^53.
func appendSeconds(b []byte, ms int64) []byte {
	if ms < 0 {
		b, ms = append(b, '-'), -ms
	}
	b = appendInt(b, ms/1000)
	rest := ms % 1000
	if rest == 0 {
		return b
	}
	b = append(b, '.', byte('0'+rest/100))
	if rest %= 100; rest != 0 {
		b = append(b, byte('0'+rest/10))
		if rest %= 10; rest != 0 {
			b = append(b, byte('0'+rest))
		}
	}
	return b
}

func anySecondary(all []Unit) bool {
	for _, u := range all {
		if _, secondary := SenMLUnit(u.Name, u.Class); secondary {
			return true
		}
	}
	return false
}
