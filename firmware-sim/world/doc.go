// Package world is the physics behind the simulator: rooms with air, walls, people and daylight, beds of soil, rotating
// machines and patients, all coupled to the actuators, so that switching something changes what the sensors read.
//
// It guarantees three things. The same Config, seed and start give the same values at the same instants, whoever asks and
// however often (held by TestSameSeedGivesTheSameWorld; a world left alone for more than a day skips what it missed). Time is given, never taken: nothing moves until a caller says what
// time it is, so a test runs a day in milliseconds. And it costs nothing while nobody looks: there is no goroutine; a world that
// was left alone catches up in fixed steps when it is next asked.
//
// It refuses to know about chips, pins, agents or the network. A caller names a point of the world: a Probe ("kitchen/air_temperature")
// gives a value, an Input ("kitchen/lamp") takes one, a Wave ("anna/pleth") gives a signal at any rate. Names are checked when they are
// looked up, so a scenario with a typing error ends at start-up.
//
// Start reading at New, then World.step, then Room.
package world
