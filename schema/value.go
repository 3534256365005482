package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"
)

// ValueType says what a channel holds. A channel has one type for life.
type ValueType string

// The value types of channels.
const (
	TypeNumber ValueType = "number" // a finite float64 in the channel's unit
	TypeBool   ValueType = "bool"   // true = on, open, detected
	TypeString ValueType = "string" // one of the channel's options, or a short text
)

// Quality says how far a reading can be believed.
type Quality string

// The qualities of a reading. The empty string means [QualityOK].
const (
	QualityOK    Quality = "ok"
	QualityFault Quality = "fault" // the sensor did not answer; the value is null
	QualityRange Quality = "range" // outside what the sensor can measure; the value is null or clamped
	QualityStale Quality = "stale" // the source repeats an old value and knows it
	QualitySim   Quality = "sim"   // made by a simulator's fault injection, not by a model
)

func (q Quality) valid() bool {
	switch q {
	case "", QualityOK, QualityFault, QualityRange, QualityStale, QualitySim:
		return true
	}
	return false
}

// TimeQuality says how the time of a reading was found.
type TimeQuality string

// The qualities of a time. The empty string means [TimeSynced].
const (
	TimeSynced    TimeQuality = "synced"    // the device's clock was set by a time server and agrees with the hub
	TimeRelative  TimeQuality = "relative"  // from the device's monotonic clock and the offset the hub measured at hello
	TimeEstimated TimeQuality = "estimated" // from a boot the hub never saw: order and spacing are right, the place is a guess
	TimeSkewed    TimeQuality = "skewed"    // the device said "synced" but its clock and the hub's differ
)

// Value is one reading's value: null, a finite number, a bool or a short string.
//
// The zero Value is null. Values compare with ==; −0 never occurs (it becomes 0), nor does NaN or ±Inf.
type Value struct {
	typ ValueType
	num float64
	str string
}

// ErrNotFinite is returned where a number is NaN or infinite.
var ErrNotFinite = errors.New("number is not finite")

// Number returns a numeric value. NaN and ±Inf become null: a caller that can meet them sets a [Quality] too. −0 becomes 0.
func Number(f float64) Value {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return Value{}
	}
	return Value{typ: TypeNumber, num: f + 0} // −0 + 0 = +0
}

// Bool returns a boolean value.
func Bool(b bool) Value {
	v := Value{typ: TypeBool}
	if b {
		v.num = 1
	}
	return v
}

// Text returns a string value, cut to [MaxText] bytes at a rune's edge; invalid UTF-8 is replaced.
func Text(s string) Value {
	if !utf8.ValidString(s) {
		s = string([]rune(s))
	}
	for len(s) > MaxText {
		_, n := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-n]
	}
	return Value{typ: TypeString, str: s}
}

// Type returns the value's type; "" for null.
func (v Value) Type() ValueType { return v.typ }

// IsNull reports whether there is no value.
func (v Value) IsNull() bool { return v.typ == "" }

// Float returns the number and true, or 1 and 0 for a bool and true; otherwise 0 and false.
func (v Value) Float() (float64, bool) { return v.num, v.typ == TypeNumber || v.typ == TypeBool }

// IsTrue reports whether the value is the bool true.
func (v Value) IsTrue() bool { return v.typ == TypeBool && v.num == 1 }

// Str returns the string; "" for other types.
func (v Value) Str() string { return v.str }

// String returns the value as JSON, for logs and messages.
func (v Value) String() string { return string(v.AppendJSON(nil)) }

// AppendJSON appends the value as JSON.
func (v Value) AppendJSON(b []byte) []byte {
	switch v.typ {
	case TypeNumber:
		return appendFloat(b, v.num)
	case TypeBool:
		return strconv.AppendBool(b, v.num == 1)
	case TypeString:
		q, err := json.Marshal(v.str)
		if err != nil { // a string always marshals
			return append(b, "null"...)
		}
		return append(b, q...)
	default:
		return append(b, "null"...)
	}
}

// MarshalJSON writes the value as a JSON scalar.
func (v Value) MarshalJSON() ([]byte, error) { return v.AppendJSON(nil), nil }

// UnmarshalJSON reads a JSON scalar. Errors: an object or array, a string over [MaxText] bytes, a number outside float64.
func (v *Value) UnmarshalJSON(b []byte) error {
	got, rest, err := parseValue(b)
	if err != nil {
		return err
	}
	if len(skipSpace(rest)) != 0 {
		return fmt.Errorf("text after the value %q", clip(b))
	}
	*v = got
	return nil
}

// Values is a column of values. It has its own JSON reader because this is the hottest path of the hub.
type Values []Value

// MarshalJSON writes the column as a JSON array.
func (vs Values) MarshalJSON() ([]byte, error) {
	b := make([]byte, 0, 2+8*len(vs))
	b = append(b, '[')
	for i, v := range vs {
		if i > 0 {
			b = append(b, ',')
		}
		b = v.AppendJSON(b)
	}
	return append(b, ']'), nil
}

// UnmarshalJSON reads a JSON array of scalars. Errors: as [Value.UnmarshalJSON], and more than [MaxSamples] values.
func (vs *Values) UnmarshalJSON(b []byte) error {
	b = skipSpace(b)
	if string(b) == "null" {
		*vs = nil
		return nil
	}
	if len(b) < 2 || b[0] != '[' {
		return errors.New("values must be an array")
	}
	out := (*vs)[:0]
	b = skipSpace(b[1:])
	if len(b) > 0 && b[0] == ']' {
		*vs = out
		return nil
	}
	for {
		v, rest, err := parseValue(b)
		if err != nil {
			return err
		}
		if len(out) >= MaxSamples {
			return fmt.Errorf("more than %d values in a series", MaxSamples)
		}
		out = append(out, v)
		rest = skipSpace(rest)
		switch {
		case len(rest) > 0 && rest[0] == ',':
			b = skipSpace(rest[1:])
		case len(rest) > 0 && rest[0] == ']':
			*vs = out
			return nil
		default:
			return errors.New("values: expected , or ]")
		}
	}
}

// parseValue reads one scalar from the start of b and returns what follows it.
func parseValue(b []byte) (Value, []byte, error) {
	b = skipSpace(b)
	if len(b) == 0 {
		return Value{}, nil, errors.New("value is missing")
	}
	switch c := b[0]; {
	case c == '"':
		return parseString(b)
	case c == 't' && hasWord(b, "true"):
		return Bool(true), b[4:], nil
	case c == 'f' && hasWord(b, "false"):
		return Bool(false), b[5:], nil
	case c == 'n' && hasWord(b, "null"):
		return Value{}, b[4:], nil
	case c == '-' || c >= '0' && c <= '9':
		n := 1
		for n < len(b) && isNumberByte(b[n]) {
			n++
		}
		f, err := strconv.ParseFloat(string(b[:n]), 64)
		if err != nil || math.IsInf(f, 0) {
			return Value{}, nil, fmt.Errorf("%q: %w", clip(b[:n]), ErrNotFinite)
		}
		return Number(f), b[n:], nil
	}
	return Value{}, nil, fmt.Errorf("a value is a number, true, false, null or a string, not %q", clip(b))
}

func parseString(b []byte) (Value, []byte, error) {
	end := 1
	for end < len(b) && b[end] != '"' {
		if b[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(b) {
		return Value{}, nil, errors.New("string without end")
	}
	var s string
	if err := json.Unmarshal(b[:end+1], &s); err != nil {
		return Value{}, nil, fmt.Errorf("string: %w", err)
	}
	if len(s) > MaxText {
		return Value{}, nil, fmt.Errorf("string of %d bytes, at most %d", len(s), MaxText)
	}
	return Value{typ: TypeString, str: s}, b[end+1:], nil
}

func appendFloat(b []byte, f float64) []byte {
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		return strconv.AppendFloat(b, f, 'e', -1, 64)
	}
	return strconv.AppendFloat(b, f, 'f', -1, 64)
}

func isNumberByte(c byte) bool {
	return c >= '0' && c <= '9' || c == '.' || c == 'e' || c == 'E' || c == '+' || c == '-'
}

func hasWord(b []byte, w string) bool { return len(b) >= len(w) && string(b[:len(w)]) == w }

func skipSpace(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t' || b[0] == '\n' || b[0] == '\r') {
		b = b[1:]
	}
	return b
}

// clip shortens outside bytes for an error message.
func clip(b []byte) string {
	const most = 40
	if len(b) > most {
		return string(b[:most]) + "…"
	}
	return string(b)
}
