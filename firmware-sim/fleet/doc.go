// Package fleet plays a scenario: it builds the world and the boards, and runs the shipped agent on every board, in one process.
//
// It guarantees that nothing but the hardware is a model: the agent, its drivers, its outbox and its link are those of a real device, given
// a chip.Board for a machine, a fault.Link for a network and a fault.Wall for a clock. A device's key, pairing and outbox live in its own
// folder below the state folder, so the next run is the same home. A reboot leaves on disk exactly what a power cut at that instant would
// have left.
//
// It refuses to start with a fault for a device or a part that is not there. Start reading at New, then Fleet.Run and node.live.
package fleet
