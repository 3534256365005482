// Package room keeps the live state of every device and of the fleet, and hands each subscriber what it has not seen yet.
//
// A room holds its values together with the version at which each of them changed; a subscriber holds only the version it was last
// sent. So nothing is queued per subscriber: one that is slow, hidden or frozen gets one merged delta later, and coming back after a lost
// connection is the same operation. DESIGN.md says why.
//
// It guarantees: publishing never waits for a subscriber (it takes the room's lock for a moment and no other); after a snapshot at
// version v come deltas that start at v, without hole and without double (TestJoinNeverLosesNorDoubles); subscribers that are equally far
// share one encoding (TestAThousandSubscribersShareOneEncoding); commands are never merged away: who is further behind than the room
// remembers gets a snapshot. It refuses rooms of devices that nobody published.
//
// It knows no sockets and no time but the clock it is given. Start with [Rooms]; room.go is the heart.
package room
