package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// The WebSocket subprotocols: codec and version in one name.
const (
	AgentProtocol = "telltale.agent.v1+json"
	LiveProtocol  = "telltale.live.v1+json"
)

// Stream is one direction of one endpoint. A kind means one thing per stream.
type Stream uint8

// The four streams.
const (
	AgentUp   Stream = iota + 1 // agent → hub
	AgentDown                   // hub → agent
	LiveUp                      // dashboard → hub
	LiveDown                    // hub → dashboard
)

// String returns the stream's name, "agent up".
func (s Stream) String() string {
	switch s {
	case AgentUp:
		return "agent up"
	case AgentDown:
		return "agent down"
	case LiveUp:
		return "live up"
	case LiveDown:
		return "live down"
	}
	return "no stream"
}

// Frame is one message of the protocol. All frames are pointers to structs of this package.
type Frame interface {
	// Kind is the "t" of the envelope.
	Kind() string
	// Validate checks shapes and bounds; the error is for the other side's eyes.
	Validate() error
}

// Kind returns the envelope's "t".
func (*Challenge) Kind() string { return "challenge" }

// Kind returns the envelope's "t".
func (*Pair) Kind() string { return "pair" }

// Kind returns the envelope's "t".
func (*Paired) Kind() string { return "paired" }

// Kind returns the envelope's "t".
func (*Hello) Kind() string { return "hello" }

// Kind returns the envelope's "t".
func (*Welcome) Kind() string { return "welcome" }

// Kind returns the envelope's "t".
func (*Describe) Kind() string { return "describe" }

// Kind returns the envelope's "t".
func (*Readings) Kind() string { return "readings" }

// Kind returns the envelope's "t".
func (*Gap) Kind() string { return "gap" }

// Kind returns the envelope's "t".
func (*Event) Kind() string { return "event" }

// Kind returns the envelope's "t".
func (*Status) Kind() string { return "status" }

// Kind returns the envelope's "t".
func (*Ack) Kind() string { return "ack" }

// Kind returns the envelope's "t".
func (*Pace) Kind() string { return "pace" }

// Kind returns the envelope's "t".
func (*Bye) Kind() string { return "bye" }

// Kind returns the envelope's "t".
func (*DeviceCommand) Kind() string { return "command" }

// Kind returns the envelope's "t".
func (*Cancel) Kind() string { return "cancel" }

// Kind returns the envelope's "t".
func (*CommandReport) Kind() string { return "command_state" }

// Kind returns the envelope's "t".
func (*Ask) Kind() string { return "ask" }

// Kind returns the envelope's "t".
func (*Problem) Kind() string { return "problem" }

// Kind returns the envelope's "t".
func (*LiveHello) Kind() string { return "hello" }

// Kind returns the envelope's "t".
func (*LiveWelcome) Kind() string { return "welcome" }

// Kind returns the envelope's "t".
func (*Join) Kind() string { return "join" }

// Kind returns the envelope's "t".
func (*Leave) Kind() string { return "leave" }

// Kind returns the envelope's "t".
func (*Seen) Kind() string { return "seen" }

// Kind returns the envelope's "t".
func (*Hidden) Kind() string { return "hidden" }

// Kind returns the envelope's "t".
func (*Ping) Kind() string { return "ping" }

// Kind returns the envelope's "t".
func (*Pong) Kind() string { return "pong" }

// Kind returns the envelope's "t".
func (*Snapshot) Kind() string { return "snapshot" }

// Kind returns the envelope's "t".
func (*Delta) Kind() string { return "delta" }

// Frames returns one empty frame of every kind that stream s carries: the registry that decoding and the generator use.
func Frames(s Stream) []Frame {
	switch s {
	case AgentUp:
		return []Frame{&Pair{}, &Hello{}, &Describe{}, &Readings{}, &Gap{}, &Event{}, &Status{}, &CommandReport{}, &Bye{}, &Problem{}}
	case AgentDown:
		return []Frame{&Challenge{}, &Paired{}, &Welcome{}, &Ack{}, &Pace{}, &DeviceCommand{}, &Cancel{}, &Bye{}, &Problem{}}
	case LiveUp:
		return []Frame{&LiveHello{}, &Join{}, &Leave{}, &Seen{}, &Hidden{}, &Ask{}, &Cancel{}, &Ping{}, &Pong{}}
	case LiveDown:
		return []Frame{&LiveWelcome{}, &Snapshot{}, &Delta{}, &Ping{}, &Pong{}, &Bye{}, &Problem{}}
	}
	return nil
}

func newFrame(s Stream, kind string) Frame {
	if s == AgentUp && kind == "readings" { // the hot path
		return &Readings{}
	}
	for _, f := range Frames(s) {
		if f.Kind() == kind {
			return f
		}
	}
	return nil
}

// Append appends a frame in its envelope, {"t":kind, …}. Errors: only a value that JSON cannot hold, which no valid frame has.
func Append(b []byte, f Frame) ([]byte, error) {
	body, err := json.Marshal(f)
	if err != nil {
		return b, fmt.Errorf("encode %s: %w", f.Kind(), err)
	}
	b = append(b, `{"t":"`...)
	b = append(b, f.Kind()...)
	b = append(b, '"')
	if len(body) > 2 {
		b = append(b, ',')
	}
	return append(b, body[1:]...), nil
}

// Encode returns one message: the frame, or an array of the frames when there are several.
func Encode(frames ...Frame) ([]byte, error) {
	if len(frames) == 1 {
		return Append(nil, frames[0])
	}
	b := []byte{'['}
	for i, f := range frames {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = Append(b, f); err != nil {
			return nil, err
		}
	}
	return append(b, ']'), nil
}

// Decode reads one message of stream s: a frame or an array of frames, each validated.
//
// Unknown fields and unknown kinds are skipped, except kinds that end in "!". Every error is a *Problem in words, and names the frame's
// seq or key where it could be read, so that the sender knows what was refused. The frames before a bad one are returned with the error;
// those after it are returned too, as long as the message is well-formed JSON: one bad frame loses no other. Held by
// TestDecodeKeepsGoodFramesBesideBadOnes. Limits: [MaxFrames], [MaxDepth]; the caller bounds the bytes. Safe for concurrent use.
func Decode(s Stream, msg []byte) ([]Frame, error) {
	if depthOver(msg, MaxDepth) {
		return nil, Problemf(CodeBadFrame, "the message is nested deeper than %d", MaxDepth)
	}
	trimmed := bytes.TrimLeft(msg, " \t\r\n")
	if len(trimmed) == 0 {
		return nil, Problemf(CodeBadFrame, "the message is empty")
	}
	if trimmed[0] != '[' {
		f, err := decodeFrame(s, trimmed)
		if f == nil {
			return nil, err
		}
		return []Frame{f}, err
	}
	var parts []json.RawMessage
	if err := json.Unmarshal(trimmed, &parts); err != nil {
		return nil, Problemf(CodeBadFrame, "the message is not JSON: %v", err)
	}
	if len(parts) > MaxFrames {
		return nil, Problemf(CodeTooLarge, "%d frames in a message, at most %d", len(parts), MaxFrames)
	}
	frames := make([]Frame, 0, len(parts))
	var problems []error
	for _, p := range parts {
		f, err := decodeFrame(s, p)
		if err != nil {
			problems = append(problems, err)
		} else if f != nil {
			frames = append(frames, f)
		}
	}
	return frames, errors.Join(problems...)
}

// Problems lists the problems in an error that [Decode] returned.
func Problems(err error) []*Problem {
	var p *Problem
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []*Problem
		for _, e := range joined.Unwrap() {
			all = append(all, Problems(e)...)
		}
		return all
	}
	if errors.As(err, &p) {
		return []*Problem{p}
	}
	return nil
}

// decodeFrame returns nil, nil for a kind it may skip.
func decodeFrame(s Stream, b []byte) (Frame, error) {
	kind, err := kindOf(b)
	if err != nil {
		return nil, err
	}
	f := newFrame(s, strings.TrimSuffix(kind, "!"))
	if f == nil {
		if strings.HasSuffix(kind, "!") {
			return nil, Problemf(CodeUnknownKind, "this side does not know frames of kind %q on %s", clip([]byte(kind)), s)
		}
		return nil, nil
	}
	if err := json.Unmarshal(b, f); err != nil {
		return nil, refuse(b, "%s: %v", kind, err)
	}
	if err := f.Validate(); err != nil {
		return nil, refuse(b, "%s: %v", kind, err)
	}
	return f, nil
}

// refuse makes the problem for a bad frame and names its seq or key if they can be read.
func refuse(b []byte, format string, args ...any) *Problem {
	p := Problemf(CodeBadFrame, format, args...)
	var id struct {
		Seq json.Number `json:"seq"`
		Key string      `json:"key"`
	}
	if json.Unmarshal(b, &id) == nil {
		if n, err := id.Seq.Int64(); err == nil && n > 0 {
			p.Seq = uint64(n)
		}
		if len(id.Key) <= 64 {
			p.Key = id.Key
		}
	}
	return p
}

// kindOf reads "t", fast where it comes first, as our own encoders write it.
func kindOf(b []byte) (string, error) {
	const head = `{"t":"`
	if len(b) > len(head) && string(b[:len(head)]) == head {
		if end := bytes.IndexByte(b[len(head):], '"'); end > 0 && end <= 64 && bytes.IndexByte(b[len(head):len(head)+end], '\\') < 0 {
			return string(b[len(head) : len(head)+end]), nil
		}
	}
	var env struct {
		T string `json:"t"`
	}
	if err := json.Unmarshal(b, &env); err != nil {
		return "", Problemf(CodeBadFrame, "a frame is a JSON object with a \"t\": %v", err)
	}
	if env.T == "" || len(env.T) > 64 {
		return "", Problemf(CodeBadFrame, "a frame needs a \"t\" of 1 to 64 characters")
	}
	return env.T, nil
}

// depthOver reports whether brackets nest deeper than most; it only skips strings, so it is right for all valid JSON.
func depthOver(b []byte, most int) bool {
	depth, inString := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > most {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}
