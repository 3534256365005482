// Package schema is the protocol of Telltale: what crosses the wire between device agents, the hub and dashboards, as Go structs.
// Everything else in the project imports it; it imports only the standard library. The TypeScript types with their runtime guards
// (dashboard/src/wire/schema.gen.ts) and telltale.schema.json are generated from it. Frames of every released version lie in
// testdata and are decoded by the Go and the TypeScript tests.
//
// # The envelope
//
// A WebSocket text message holds one frame, {"t":"kind", …}, or an array of frames. Unknown fields and unknown kinds are skipped, so
// that either side can be newer; a kind that ends in "!" must be understood or refused. There is no compression on sockets: a small
// compressed message can hold a huge one. The first message of a connection has at most [MaxFirstMessage] bytes and comes within
// [FirstMessageWithin]; later ones have at most [MaxMessage]. [Encode] and [Decode] are the only way in and out; [Frames] is the
// registry of who may send what.
//
// # The model
//
// A device has entities, an entity has channels, a channel has readings: pi-garage → door → state. Kinds, device classes, state
// classes and units are Home Assistant's. Channel ids on the wire are "<entity>.<channel>", the main channel of an entity is "state".
// Values are finite numbers, bools and strings of at most [MaxText] bytes; null means that there is no value and needs a quality that
// says why. −0 becomes 0.
//
// # Life of an agent's connection (telltale.agent.v1+json, /api/v1/agent)
//
//	hub   challenge   nonce for this connection
//	agent pair        only once in a device's life: public key and proof of the one-time code; hub answers paired or problem
//	agent hello       signed; epoch and range of the outbox, clocks, hash of the descriptor
//	hub   welcome     what it already has of this epoch, how fast to send, whether to describe; or problem, then close
//	agent describe    if asked, and whenever the descriptor changes
//	agent readings, event, gap … numbered by seq from 1 within the epoch; status every few seconds, unnumbered
//	hub   ack         ranges of seq, only after they are committed with synchronous=FULL
//	hub   command, cancel;  agent command_state
//	hub   pace        when somebody starts or stops watching
//	either bye        goes away on purpose; problem says in words what is wrong
//
// The agent forgets a frame only when it is acked. Sending again is always safe: the hub keeps the set of received ranges per
// (device, epoch), drops what it has and acks it again. A new outbox has a new random epoch. What the agent had to drop is replaced by a
// gap frame that takes the place of those sequence numbers. A frame the hub refuses as malformed is answered with a problem that
// names its seq; the agent replaces it with a gap of reason "refused". So in the end every sequence number is a stored frame or a
// known gap.
//
// Fresh readings go first: while a backlog is delivered (backfill: true), new frames overtake it, and seq arrives out of order. That
// is why acks are ranges.
//
// A newer connection of the same device replaces the older one (problem "replaced"). Two boots that replace each other in turn are a
// cloned card: both are put in quarantine.
//
// # Time
//
// Times are Unix ms of the hub's clock wherever a name ends in _ms and nothing else is said. A frame of an agent carries mono_ms, the
// agent's monotonic clock since boot, and t0_ms as well if its wall clock was set by a time server. The hub places it: by t0_ms
// (synced), or by the offset between mono_ms and its own clock that it measured at hello ([TimeRelative]), or by a guess for a boot that
// it never saw ([TimeEstimated]). A t0_ms before [EarliestMS] or further ahead than [FarFuture], or as far behind in a fresh frame, is not believed
// ([TimeSkewed]: placed by mono_ms instead). No reading is ever refused for its clock. Deadlines and leases count on monotonic clocks only.
//
// # Life of a dashboard's connection (telltale.live.v1+json, /api/v1/live)
//
//	page  hello       with the rooms and versions it already has
//	hub   welcome
//	page  join, leave rooms: "fleet", "device/<id>"
//	hub   snapshot    on a join, and whenever continuity cannot be proven (other epoch)
//	hub   delta       everything since the version the page has, merged; one frame per room and tick, shared by all who are equally far
//	page  seen        how many messages it has handled: credit. A page that hangs gets nothing, and later one merged delta
//	page  ask, cancel; the command's life comes back in deltas of the device's room, a refusal as a problem with the key
//	page  hidden      true: one merged delta a second
//	either ping, pong
//
// A room's position is (epoch, ver). Versions rise by one per change; a delta has what is newer than the receiver's ver. Readings in
// between may be merged away for a slow page (cut: true); commands never are: past a bound the page gets a snapshot.
//
// # Commands
//
// [CommandState.Next] is the one table of transitions. The asker chooses a key; the same key is the same command, the same key with another
// body is a conflict. The hub stores a command before it answers and every transition before it tells anyone. A set asks for a state, a
// newer one for the same channel cancels an older one that waits; a pulse is one edge and never waits. The deadline travels as
// remaining time, beside the hub's monotonic clock when it was written: the agent takes off what the command spent on the way, as
//
//	late = (receipt − hello sent) − (command.mono_ms − welcome.mono_ms)
//
// on each side's monotonic clock (welcome.mono_ms is when the hub took the hello), so that a command which a stalled link delivers after its deadline is not run. The agent journals "running" before the output moves and the result after, so that a crash in between ends as
// unknown and never as a second pulse. "done" means read back, and [Proof] says how.
//
// # Errors
//
// [Problem] says what is wrong and what can be done, in words, without internal detail. [Code.CloseCode] maps the ones that end a
// connection to close codes: 4000–4499 come back with backoff (full jitter; dashboards min(20 s, 0.5 s·2ⁿ), agents
// min(60 s, 1 s·2ⁿ)), 4500–4999 trying again at once cannot help.
//
// # Version history
//
//	1  2026-11  first version
package schema

//go:generate go run ./gen -root ..
