// Package chip models hardware as its drivers see it: chips with registers on periph's i2c.Bus, pins behind periph's gpio.PinIO, pulse-width
// outputs, one-wire sensors behind the kernel's files. A Board carries them and is the device.Host that an agent runs on.
//
// It guarantees that a shipped driver reads back what the modelled world says, to the resolution of the chip (held by the tests that run
// periph's drivers on it); that a chip answers any sequence of bytes as hardware does, with data or a missing acknowledge, never with a
// panic (held by the fuzz targets); and that each change of an output is written to a Ledger before the load behind it moves.
//
// It refuses to know where values come from and what time it is: a chip is given a function of the time and a Mono. Nothing here starts a
// goroutine but Pin.WatchEdges. Everything is safe for concurrent use.
//
// Start reading at Board, then Bus.Tx, then BME280.
package chip
