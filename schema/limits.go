package schema

import "time"

// Limits of the protocol, version 1. Both sides check them; the one that is over the limit hears it in words.
const (
	// MaxFirstMessage bounds the first message of a connection, in bytes: it comes from somebody unknown.
	MaxFirstMessage = 4 << 10
	// MaxMessage bounds every later message to the hub, in bytes.
	MaxMessage = 64 << 10
	// MaxDepth bounds the nesting of a message; no frame needs more than 8.
	MaxDepth = 16
	// MaxFrames bounds the frames in one message.
	MaxFrames = 64
	// MaxSeries bounds the series in one readings frame.
	MaxSeries = 512
	// MaxSamples bounds the samples of one readings frame over all its series.
	MaxSamples = 8192
	// MaxText bounds a string value, in bytes.
	MaxText = 256
	// MaxName bounds names of devices, entities and areas, in bytes.
	MaxName = 128
	// MaxEntities bounds the entities of one device.
	MaxEntities = 256
	// MaxChannels bounds the channels of one entity.
	MaxChannels = 16
	// MinStepUS is the shortest step of a waveform, in µs: history is kept to the millisecond.
	MinStepUS = 1000
	// MaxStepUS is the longest step of a waveform, in µs: a minute. What is slower has a time per reading.
	MaxStepUS = 60_000_000
	// MaxRooms bounds the rooms one live connection may be in.
	MaxRooms = 256
	// MaxPending bounds the commands of one device that have no final state.
	MaxPending = 32
)

// Time limits of the protocol, version 1.
const (
	// FirstMessageWithin bounds the wait for the first message of a connection.
	FirstMessageWithin = 5 * time.Second
	// AgentPing is how often an agent's link is probed, from both ends.
	AgentPing = 15 * time.Second
	// AgentPongWithin is how long after a probe an agent's link is given up.
	AgentPongWithin = 10 * time.Second
	// LivePing is how often the hub sends something to a dashboard; any frame counts.
	LivePing = 25 * time.Second
	// MaxTTL bounds how long a command may wait.
	MaxTTL = 24 * time.Hour
	// DefaultTTL is a command's time to live when the person chose none.
	DefaultTTL = 10 * time.Second
	// FarFuture is how far ahead of the hub's clock a reading's time may lie before it counts as skewed.
	FarFuture = 60 * time.Second
)

// EarliestMS is the oldest time a reading may claim (2020-01-01, Unix ms). Anything older is a clock that was never set.
const EarliestMS int64 = 1_577_836_800_000
