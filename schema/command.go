package schema

import (
	"errors"
	"fmt"
)

// Op is what a command does.
type Op string

// The operations.
const (
	// OpSet asks for a state. Newest wins; it may wait for its device until the deadline.
	OpSet Op = "set"
	// OpPulse asks for one edge: a door opener, a bell. It never waits: an offline device is refused at once.
	OpPulse Op = "pulse"
)

// CommandState is where a command is in its life.
type CommandState string

// The states of a command. The last six are final and never change.
const (
	StateQueued   CommandState = "queued"   // stored by the hub; the device is not there yet or is busy
	StateSent     CommandState = "sent"     // written to the device's connection
	StateReceived CommandState = "received" // the device has it
	StateRunning  CommandState = "running"  // journalled; the output is about to move or moves
	StateDone     CommandState = "done"     // the reported value matches what was asked, with the proof named
	StateFailed   CommandState = "failed"   // it was tried and did not work, or another value was read back
	StateRejected CommandState = "rejected" // refused: bounds, interlock, rights, offline
	StateExpired  CommandState = "expired"  // the deadline passed before it was tried; it never will be
	StateCanceled CommandState = "canceled" // withdrawn or replaced by a newer one before it was tried
	StateUnknown  CommandState = "unknown"  // the device died between starting and reporting: it may or may not have happened
)

// Next returns the states that may follow s; none after a final state. This is the one table of transitions, for both sides.
func (s CommandState) Next() []CommandState {
	switch s {
	case StateQueued:
		return []CommandState{StateSent, StateRejected, StateExpired, StateCanceled}
	case StateSent:
		return []CommandState{StateReceived, StateRunning, StateDone, StateFailed, StateRejected, StateExpired, StateCanceled, StateUnknown}
	case StateReceived:
		return []CommandState{StateRunning, StateDone, StateFailed, StateRejected, StateExpired, StateCanceled, StateUnknown}
	case StateRunning:
		return []CommandState{StateDone, StateFailed, StateUnknown}
	default:
		return nil
	}
}

// CanBecome reports whether the table allows s → next.
func (s CommandState) CanBecome(next CommandState) bool {
	for _, n := range s.Next() {
		if n == next {
			return true
		}
	}
	return false
}

// Final reports whether a command in this state is over.
func (s CommandState) Final() bool { return s.Valid() && len(s.Next()) == 0 }

// Valid reports whether s is one of the states.
func (s CommandState) Valid() bool {
	switch s {
	case StateQueued, StateSent, StateReceived, StateRunning, StateDone, StateFailed, StateRejected, StateExpired, StateCanceled, StateUnknown:
		return true
	}
	return false
}

// CommandStates lists all states in the order of a life.
func CommandStates() []CommandState {
	return []CommandState{StateQueued, StateSent, StateReceived, StateRunning, StateDone, StateFailed, StateRejected, StateExpired,
		StateCanceled, StateUnknown}
}

// DeviceCommand orders a device to do something (hub → agent). Sent again after a reconnect until the device has answered with a final state;
// the device answers a repeated id from its journal and never acts twice.
type DeviceCommand struct {
	// ID of the command, 32 hex digits.
	ID string `json:"id"`
	// Seq rises with every command of this device: an older one than the newest started for the same actuator is not run.
	Seq uint64 `json:"seq"`
	// Entity to act on.
	Entity string `json:"entity"`
	// Channel of the entity.
	Channel string `json:"channel"`
	// Op to perform.
	Op Op `json:"op"`
	// Value asked for; for a pulse null, or its length in ms.
	Value Value `json:"value"`
	// RemainingMS from MonoMS until the deadline; 0 or less = only report, never run.
	RemainingMS int64 `json:"remaining_ms"`
	// MonoMS is the hub's monotonic clock when this was written, in ms. A link can stall and deliver late: the device takes from the
	// remaining time what the command spent on the way, which it knows from [Welcome.MonoMS] and when it sent its hello.
	MonoMS int64 `json:"mono_ms"`
	// Actor who asked, for the device's own log.
	Actor string `json:"actor,omitempty"`
}

// Cancel withdraws a command that has not started (dashboard → hub → agent). The answer is a [CommandReport] with whatever is true.
type Cancel struct {
	// ID of the command.
	ID string `json:"id"`
}

// CommandReport reports a command's state (agent → hub): received, running or a final state. Repeated until a hub has it.
type CommandReport struct {
	// ID of the command.
	ID string `json:"id"`
	// State reached.
	State CommandState `json:"state"`
	// Code of the reason for machines: "out_of_range", "busy", "sensor_lost"; empty when done.
	Code string `json:"code,omitempty"`
	// Message for people.
	Message string `json:"message,omitempty"`
	// Reported is the value read back; null = nothing read.
	Reported Value `json:"reported"`
	// Proof says how the value was read back.
	Proof Proof `json:"proof,omitempty"`
	// TookMS from receipt to this state on the device, in ms.
	TookMS int64 `json:"took_ms,omitempty"`
}

// Ask is a person's or program's wish (dashboard → hub; body of POST /devices/{id}/commands without Device).
type Ask struct {
	// Key makes asking again safe: the same key is the same command. 8 to 64 characters, best a UUID.
	Key string `json:"key"`
	// Device to command.
	Device string `json:"device"`
	// Entity to act on.
	Entity string `json:"entity"`
	// Channel of the entity; absent = "state".
	Channel string `json:"channel,omitempty"`
	// Op to perform.
	Op Op `json:"op"`
	// Value asked for.
	Value Value `json:"value"`
	// TTLMS is how long the wish is good, in ms; 0 = DefaultTTL.
	TTLMS int64 `json:"ttl_ms,omitempty"`
	// Wait lets a set command wait in the hub for an offline device, until the deadline. Otherwise offline is refused at once.
	Wait bool `json:"wait,omitempty"`
	// Reason in the person's words, kept in the ledger.
	Reason string `json:"reason,omitempty"`
}

// Command is a command with its whole history, as the ledger keeps it.
type Command struct {
	// ID given by the hub, 32 hex digits.
	ID string `json:"id"`
	// Key given by who asked.
	Key string `json:"key"`
	// Seq of the command on its device.
	Seq uint64 `json:"seq"`
	// Device commanded.
	Device string `json:"device"`
	// Entity acted on.
	Entity string `json:"entity"`
	// Channel of the entity.
	Channel string `json:"channel"`
	// Op asked for.
	Op Op `json:"op"`
	// Value asked for.
	Value Value `json:"value"`
	// Actor who asked.
	Actor string `json:"actor"`
	// Reason given.
	Reason string `json:"reason,omitempty"`
	// AskedMS is when the hub stored it, Unix ms.
	AskedMS int64 `json:"asked_ms"`
	// DeadlineMS is when it expires, Unix ms of the hub.
	DeadlineMS int64 `json:"deadline_ms"`
	// State now.
	State CommandState `json:"state"`
	// Code of the reason when it ended badly.
	Code string `json:"code,omitempty"`
	// Message for people when it ended badly.
	Message string `json:"message,omitempty"`
	// Reported is the value read back; null = nothing read.
	Reported Value `json:"reported"`
	// Proof says how it was read back.
	Proof Proof `json:"proof,omitempty"`
	// Log of all transitions, oldest first.
	Log []CommandStep `json:"log"`
}

// CommandStep is one transition of a command.
type CommandStep struct {
	// State reached.
	State CommandState `json:"state"`
	// AtMS is when the hub learned of it, Unix ms.
	AtMS int64 `json:"at_ms"`
	// Message for people.
	Message string `json:"message,omitempty"`
}

// Validate checks shapes and bounds.
func (f *DeviceCommand) Validate() error {
	if f.RemainingMS > MaxTTL.Milliseconds() {
		return errors.New("remaining_ms is over a day")
	}
	return errors.Join(hexOf("id", f.ID, 32), target(f.Entity, f.Channel, f.Op))
}

// Validate checks shapes and bounds.
func (f *Cancel) Validate() error { return hexOf("id", f.ID, 32) }

// Validate checks shapes and bounds.
func (f *CommandReport) Validate() error {
	if !f.State.Valid() || f.State == StateQueued || f.State == StateSent {
		return fmt.Errorf("a device cannot report the state %q", clip([]byte(f.State)))
	}
	if len(f.Message) > 1024 || len(f.Code) > 64 {
		return errors.New("message or code is too long")
	}
	return hexOf("id", f.ID, 32)
}

// Validate checks shapes and bounds.
func (f *Ask) Validate() error {
	switch {
	case len(f.Key) < 8 || len(f.Key) > 64:
		return errors.New("key must be 8 to 64 characters")
	case !ValidDevice(f.Device):
		return fmt.Errorf("device id %q is not valid", clip([]byte(f.Device)))
	case f.TTLMS < 0 || f.TTLMS > MaxTTL.Milliseconds():
		return errors.New("ttl_ms must be 0 to a day")
	case len(f.Reason) > 1024:
		return errors.New("reason is over 1024 bytes")
	case f.Op == OpPulse && f.Wait:
		return errors.New("a pulse never waits for its device")
	}
	channel := f.Channel
	if channel == "" {
		channel = ChannelState
	}
	return target(f.Entity, channel, f.Op)
}

func target(entity, channel string, op Op) error {
	switch {
	case !ValidID(entity):
		return fmt.Errorf("entity id %q is not valid", clip([]byte(entity)))
	case !ValidID(channel):
		return fmt.Errorf("channel name %q is not valid", clip([]byte(channel)))
	case op != OpSet && op != OpPulse:
		return fmt.Errorf("op must be set or pulse, not %q", clip([]byte(op)))
	}
	return nil
}
