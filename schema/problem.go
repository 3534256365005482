package schema

import "fmt"

// Code names a problem for machines. It is stable; the message beside it is for people.
type Code string

// The codes of problems.
const (
	CodeBadFrame      Code = "bad_frame"      // not JSON, too deep, wrong types, out of bounds
	CodeTooLarge      Code = "too_large"      // message, frame count or series over the limit
	CodeUnknownKind   Code = "unknown_kind"   // a kind ending in ! that this side does not know
	CodeVersion       Code = "version"        // no common subprotocol
	CodeUnauthorized  Code = "unauthorized"   // bad signature, unknown device, bad pairing code
	CodeForbidden     Code = "forbidden"      // known, but not allowed
	CodeReplaced      Code = "replaced"       // a newer connection of the same device took over
	CodeQuarantined   Code = "quarantined"    // two machines use one device's key
	CodeUnknownDevice Code = "unknown_device" // no such device
	CodeUnknownRoom   Code = "unknown_room"   // no such room
	CodeUnknownTarget Code = "unknown_target" // no such entity or channel, or it cannot be commanded
	CodeOutOfRange    Code = "out_of_range"   // the value is outside what the channel accepts
	CodeOffline       Code = "offline"        // the device is not connected and the command may not wait
	CodeBusy          Code = "busy"           // too many commands pending
	CodeConflict      Code = "conflict"       // the same key with another body
	CodeTimeout       Code = "timeout"        // no answer, or no first message, in time
	CodeRateLimited   Code = "rate_limited"   // too much, too fast
	CodeUnavailable   Code = "unavailable"    // the hub stops, starts or its disk is full; come back
	CodeNotFound      Code = "not_found"      // no such path or thing
	CodeInternal      Code = "internal"       // a fault of the hub; details are in its log only
)

// CloseCode returns the WebSocket close code of a problem that ends a connection. 4000–4499: come back with backoff;
// 4500–4999: trying again at once cannot help.
func (c Code) CloseCode() int {
	switch c {
	case CodeUnavailable:
		return 4000
	case CodeTimeout:
		return 4001
	case CodeRateLimited:
		return 4002
	case CodeInternal:
		return 4003
	case CodeBadFrame:
		return 4500
	case CodeTooLarge:
		return 4501
	case CodeUnauthorized:
		return 4502
	case CodeForbidden:
		return 4503
	case CodeReplaced:
		return 4504
	case CodeVersion:
		return 4505
	case CodeQuarantined:
		return 4506
	default:
		return 4599
	}
}

// RetryClose reports whether a connection closed with this code should be tried again with the usual backoff.
func RetryClose(code int) bool { return code < 4500 || code > 4999 }

// Problem says in words what is wrong (both streams, both ways; body of HTTP errors). As an error it is for the other side's eyes:
// no internal detail.
type Problem struct {
	// Code for machines.
	Code Code `json:"code"`
	// Message for people: what happened, what can be done.
	Message string `json:"message"`
	// Seq of the frame refused, if it had one: it will never be stored, the agent turns it into a gap.
	Seq uint64 `json:"seq,omitempty"`
	// Key of the command refused, if it was one.
	Key string `json:"key,omitempty"`
	// Room concerned, if any.
	Room string `json:"room,omitempty"`
}

// Problemf makes a problem.
func Problemf(code Code, format string, args ...any) *Problem {
	return &Problem{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Error returns the problem in one line.
func (f *Problem) Error() string { return string(f.Code) + ": " + f.Message }

// Validate checks shapes and bounds.
func (f *Problem) Validate() error {
	if f.Code == "" {
		return fmt.Errorf("a problem needs a code")
	}
	return nil
}
