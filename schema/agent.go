package schema

import (
	"errors"
	"fmt"
)

// Frames of the device stream, subprotocol telltale.agent.v1+json. See the package comment for the order of events.

// Challenge opens every agent connection (hub → agent). The agent signs the nonce in [Pair] or [Hello].
type Challenge struct {
	// HubID names the hub; an agent that was paired with another one stops here.
	HubID string `json:"hub_id"`
	// Nonce is 32 hex digits, made for this connection.
	Nonce string `json:"nonce"`
	// NowMS is the hub's clock, Unix ms.
	NowMS int64 `json:"now_ms"`
}

// Pair introduces a new device (agent → hub), once in its life. The answer is [Paired] or [Problem]; then [Hello] follows.
type Pair struct {
	// Device is the id the agent would like; the hub may add a suffix.
	Device string `json:"device"`
	// Name for people.
	Name string `json:"name"`
	// PublicKey is the device's ed25519 key, 64 hex digits; the private half never leaves the device.
	PublicKey string `json:"public_key"`
	// Proof is PairProof(code, nonce, public key): it shows knowledge of the one-time code without sending it.
	Proof string `json:"proof"`
	// Sig is the ed25519 signature over PairTranscript, 128 hex digits.
	Sig string `json:"sig"`
}

// Paired answers [Pair] (hub → agent).
type Paired struct {
	// Device is the id the device has from now on.
	Device string `json:"device"`
	// HubID is the hub to stay with.
	HubID string `json:"hub_id"`
}

// Hello identifies a paired device (agent → hub). The answer is [Welcome] or [Problem].
type Hello struct {
	// Device id given at pairing.
	Device string `json:"device"`
	// Sig is the ed25519 signature over HelloTranscript, 128 hex digits.
	Sig string `json:"sig"`
	// Epoch names the outbox: 16 hex digits made with each new one.
	Epoch string `json:"epoch"`
	// First is the oldest sequence number the outbox still has; 0 = empty.
	First uint64 `json:"first"`
	// Last is the newest sequence number the outbox gave out; 0 = none yet.
	Last uint64 `json:"last"`
	// BootID changes with every boot of the machine; monotonic times belong to it.
	BootID string `json:"boot_id"`
	// MonoMS is the monotonic clock now, in ms since boot.
	MonoMS int64 `json:"mono_ms"`
	// WallMS is the wall clock now, Unix ms, right or wrong.
	WallMS int64 `json:"wall_ms"`
	// Synced says whether the agent believes its wall clock.
	Synced bool `json:"synced"`
	// DescriptorHash of the descriptor the agent would send.
	DescriptorHash string `json:"descriptor_hash"`
	// Agent is the program's name and version.
	Agent string `json:"agent"`
}

// Welcome accepts a device (hub → agent).
type Welcome struct {
	// StoreGeneration changes when the hub's store was restored from a backup: acks of older generations are void.
	StoreGeneration string `json:"store_generation"`
	// Have is what the hub holds of this epoch: stored frames and gaps. Everything else must be sent (again).
	Have []Range `json:"have"`
	// NowMS is the hub's clock, Unix ms.
	NowMS int64 `json:"now_ms"`
	// MonoMS is the hub's monotonic clock when it took the hello, in ms; [DeviceCommand.MonoMS] counts on the same clock.
	MonoMS int64 `json:"mono_ms"`
	// Describe asks for a [Describe]: the hub does not know the hash.
	Describe bool `json:"describe,omitempty"`
	// BatchMS is how long the agent may collect readings before it sends, in ms.
	BatchMS int64 `json:"batch_ms"`
	// Window is how many unacked frames may be under way.
	Window int `json:"window"`
	// Session numbers the connections of this device; the highest one is the only one that counts.
	Session uint64 `json:"session"`
}

// Describe says what the device is (agent → hub).
type Describe struct {
	// Hash is Descriptor.Hash().
	Hash string `json:"hash"`
	// Descriptor of the device.
	Descriptor Descriptor `json:"descriptor"`
}

// Readings carries measurements (agent → hub). It is acked after it is stored; until then the agent keeps it and sends it again
// on the next connection.
type Readings struct {
	// Seq is the position in the epoch, contiguous from 1, shared with [Gap] and [Event].
	Seq uint64 `json:"seq"`
	// T0MS is the Unix ms that offsets count from; 0 when the clock was not synced.
	T0MS int64 `json:"t0_ms,omitempty"`
	// MonoMS is the monotonic time of T0, in ms since boot.
	MonoMS int64 `json:"mono_ms"`
	// Boot is the boot that MonoMS belongs to; absent = the boot of the hello.
	Boot string `json:"boot,omitempty"`
	// Backfill marks what was measured while nobody listened.
	Backfill bool `json:"backfill,omitempty"`
	// Series, one per channel, at most MaxSeries.
	Series []Series `json:"series"`
}

// Gap says that the agent lost frames (agent → hub). It takes the place of First to Last, for acks too.
type Gap struct {
	// First lost sequence number.
	First uint64 `json:"first"`
	// Last lost sequence number.
	Last uint64 `json:"last"`
	// FromMS is when the lost frames begin, Unix ms; 0 = not known.
	FromMS int64 `json:"from_ms,omitempty"`
	// ToMS is when they end, Unix ms; 0 = not known.
	ToMS int64 `json:"to_ms,omitempty"`
	// Reason of the loss.
	Reason GapReason `json:"reason"`
}

// Event is something that happened on the device and is worth keeping (agent → hub), acked like readings.
type Event struct {
	// Seq as in [Readings].
	Seq uint64 `json:"seq"`
	// T0MS as in [Readings].
	T0MS int64 `json:"t0_ms,omitempty"`
	// MonoMS as in [Readings].
	MonoMS int64 `json:"mono_ms"`
	// Boot as in [Readings].
	Boot string `json:"boot,omitempty"`
	// Type of event: "started", "stopping", "safe_state", "sensor_lost", "sensor_back", "degraded", "clock_step".
	Type string `json:"type"`
	// Entity concerned, if any.
	Entity string `json:"entity,omitempty"`
	// Message for people.
	Message string `json:"message"`
}

// Status tells about the link's health every few seconds (agent → hub). Not stored, not acked.
type Status struct {
	// Backlog is the number of frames not yet acked.
	Backlog uint64 `json:"backlog"`
	// BacklogFromMS is the time of the oldest of them, Unix ms; 0 = none or not known.
	BacklogFromMS int64 `json:"backlog_from_ms,omitempty"`
	// Dropped frames since the outbox was made.
	Dropped uint64 `json:"dropped,omitempty"`
	// Degraded says in words what does not work: "outbox disk is read-only".
	Degraded string `json:"degraded,omitempty"`
	// RTTMS is the round trip the agent measured, in ms.
	RTTMS float64 `json:"rtt_ms,omitempty"`
	// MonoMS and WallMS let the hub follow the clock: monotonic ms since boot.
	MonoMS int64 `json:"mono_ms"`
	// WallMS is the wall clock, Unix ms.
	WallMS int64 `json:"wall_ms"`
	// Synced as in [Hello].
	Synced bool `json:"synced"`
}

// Ack says what is stored (hub → agent), after a durable commit. The agent may forget these frames.
type Ack struct {
	// Epoch the ranges belong to.
	Epoch string `json:"epoch"`
	// Ranges of sequence numbers, ascending.
	Ranges []Range `json:"ranges"`
}

// Pace changes how long the agent collects readings (hub → agent): short while somebody watches.
type Pace struct {
	// BatchMS as in [Welcome].
	BatchMS int64 `json:"batch_ms"`
}

// Bye announces the end of a connection (either side): come back after a random part of the spread.
type Bye struct {
	// InMS is when the connection will be closed, in ms from now.
	InMS int64 `json:"in_ms"`
	// SpreadMS is over how long the returns should be spread, in ms.
	SpreadMS int64 `json:"spread_ms"`
	// Reason for people.
	Reason string `json:"reason,omitempty"`
}

// Validate checks shapes and bounds.
func (f *Challenge) Validate() error { return hexOf("nonce", f.Nonce, 32) }

// Validate checks shapes and bounds.
func (f *Pair) Validate() error {
	if !ValidDevice(f.Device) {
		return fmt.Errorf("device id %q must be 1 to 63 of a-z, 0-9 and -", clip([]byte(f.Device)))
	}
	if len(f.Name) > MaxName {
		return fmt.Errorf("name is over %d bytes", MaxName)
	}
	return errors.Join(hexOf("public_key", f.PublicKey, 64), hexOf("proof", f.Proof, 64), hexOf("sig", f.Sig, 128))
}

// Validate checks shapes and bounds.
func (f *Paired) Validate() error {
	if !ValidDevice(f.Device) {
		return fmt.Errorf("device id %q is not valid", clip([]byte(f.Device)))
	}
	return nil
}

// Validate checks shapes and bounds.
func (f *Hello) Validate() error {
	switch {
	case !ValidDevice(f.Device):
		return fmt.Errorf("device id %q must be 1 to 63 of a-z, 0-9 and -", clip([]byte(f.Device)))
	case f.BootID == "" || len(f.BootID) > 64:
		return errors.New("boot_id must be 1 to 64 bytes")
	case f.First > f.Last:
		return errors.New("first is after last")
	case f.MonoMS < 0:
		return errors.New("mono_ms is negative")
	case len(f.DescriptorHash) > 64 || len(f.Agent) > MaxName:
		return errors.New("descriptor_hash or agent is too long")
	}
	return errors.Join(hexOf("sig", f.Sig, 128), hexOf("epoch", f.Epoch, 16))
}

// Validate checks shapes and bounds.
func (f *Welcome) Validate() error {
	if f.BatchMS < 0 || f.Window < 1 {
		return errors.New("batch_ms or window is out of range")
	}
	return validRanges(f.Have)
}

// Validate checks shapes and bounds.
func (f *Describe) Validate() error {
	if f.Hash == "" || len(f.Hash) > 64 {
		return errors.New("hash must be 1 to 64 bytes")
	}
	return f.Descriptor.Validate()
}

// Validate checks shapes and bounds.
func (f *Readings) Validate() error {
	if err := stamp(f.Seq, f.MonoMS, f.Boot); err != nil {
		return err
	}
	return validateSeries(f.Series)
}

// Validate checks shapes and bounds.
func (f *Gap) Validate() error {
	if f.First == 0 || f.First > f.Last {
		return errors.New("a gap is from first (1 or more) to last")
	}
	if f.Reason == "" || len(f.Reason) > 32 {
		return errors.New("a gap needs a reason")
	}
	return nil
}

// Validate checks shapes and bounds.
func (f *Event) Validate() error {
	if f.Type == "" || len(f.Type) > 64 || len(f.Message) > 1024 || f.Entity != "" && !ValidID(f.Entity) {
		return errors.New("an event needs a type, a valid entity and a message of at most 1024 bytes")
	}
	return stamp(f.Seq, f.MonoMS, f.Boot)
}

// Validate checks shapes and bounds.
func (f *Status) Validate() error {
	if len(f.Degraded) > 1024 {
		return errors.New("degraded is over 1024 bytes")
	}
	return nil
}

// Validate checks shapes and bounds.
func (f *Ack) Validate() error {
	return errors.Join(hexOf("epoch", f.Epoch, 16), validRanges(f.Ranges))
}

// Validate checks shapes and bounds.
func (f *Pace) Validate() error {
	if f.BatchMS < 0 {
		return errors.New("batch_ms is negative")
	}
	return nil
}

// Validate checks shapes and bounds.
func (f *Bye) Validate() error {
	if f.InMS < 0 || f.SpreadMS < 0 {
		return errors.New("in_ms and spread_ms must not be negative")
	}
	return nil
}

func stamp(seq uint64, monoMS int64, boot string) error {
	switch {
	case seq == 0:
		return errors.New("seq starts at 1")
	case monoMS < 0:
		return errors.New("mono_ms is negative")
	case len(boot) > 64:
		return errors.New("boot is over 64 bytes")
	}
	return nil
}

func validRanges(rs []Range) error {
	for i, r := range rs {
		if r[0] == 0 || r[0] > r[1] {
			return fmt.Errorf("range %d–%d is not ascending", r[0], r[1])
		}
		if i > 0 && r[0] <= rs[i-1][1] {
			return errors.New("ranges overlap or are out of order")
		}
	}
	return nil
}

func hexOf(name, s string, digits int) error {
	if len(s) != digits {
		return fmt.Errorf("%s must be %d hex digits", name, digits)
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return fmt.Errorf("%s must be %d lower-case hex digits", name, digits)
		}
	}
	return nil
}
