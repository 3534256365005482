// Package socket is the hub's end of every WebSocket: the endpoint of device agents and the endpoint of dashboards. It is the only package of
// the hub that knows the WebSocket library.
//
// It guarantees: a stuck receiver stops nobody else and costs a bounded amount of memory; every wait has a limit (first message 5 s,
// silence of an agent 25 s, a write 30 s); unknown peers get little (4 KiB, a bounded number of sockets); a device's frames carry the
// identity that the connection proved, so no device can write as another; after a newer connection of a device took over, no frame of the older
// one is handled. It refuses: browsers on the agents' endpoint, pages of another origin (a missing Origin too), compression, other
// subprotocols, binary messages.
//
// What a frame means is not its business: it hands frames to a [Session] and asks a [Subscriber] for messages; both are given by who
// wires the hub.
//
// How it is built: one goroutine reads a connection and keeps a small stack; a few workers write for all of them (pump.go), and
// a worker that gets stuck on a connection is replaced until it is free again. One goroutine looks after all time limits (sweep.go).
//
// Start with [Server]; agent.go and live.go tell the lives of the two kinds of connections, link.go what they share.
package socket
