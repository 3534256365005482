// Package fault breaks things on purpose: links, clocks, sensors, actuators, whole machines.
//
// A Spec says what, where, when and for how long, as a person writes it ("lying_relay:living-room/lamp@30s+1m"). An Injector carries specs
// out at their time and heals them at their end, whether they came from a scenario, from the command line or, through Serve, from a second
// terminal while the simulator runs. Link and Wall are the broken link and the broken clock themselves; what is broken in hardware lives in
// chip.
//
// It guarantees that a fault that was healed leaves nothing behind but its consequences, and that the number of faults at once is
// bounded. It refuses to guess: an unknown kind or place is an error that lists what there is.
//
// Start reading at Spec, then Injector.
package fault
