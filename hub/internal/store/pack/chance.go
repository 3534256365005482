package pack

// chance is how likely a decision is to be 0, learnt from how it went before: the chance in the upper 16 bits, in the lower ones how much was seen.
type chance uint32

const (
	chanceBits = 16
	even       = chance(1 << 15 << chanceBits) // nothing seen
	// leastChance keeps a decision that always went one way possible the other way.
	leastChance = 24
	// seenMost bounds what counts as seen, so that what changes is learnt anew. Of 30, 60, 120 and 250, 60 was best by a little.
	seenMost = 60
)

// pace says, by how much was seen, how far a chance moves to what happened now, in 1/65536: 1/(seen+1.6). (64 of them: no index is checked.)
var pace = [seenMost + 4]uint16{
	40960, 25206, 18204, 14246, 11702, 9929, 8623, 7620, 6826, 6182, 5649, 5201, 4818, 4488, 4201, 3947,
	3723, 3523, 3343, 3181, 3034, 2899, 2776, 2664, 2560, 2463, 2374, 2291, 2214, 2141, 2073, 2010,
	1950, 1894, 1840, 1790, 1742, 1697, 1654, 1614, 1575, 1538, 1503, 1469, 1437, 1406, 1376, 1348,
	1321, 1295, 1270, 1245, 1222, 1200, 1178, 1157, 1137, 1118, 1099, 1081, 1063,
}

func (c chance) ofZero() uint64 { return uint64(c >> chanceBits) }

func (c *chance) saw0() {
	p, seen := uint32(*c>>chanceBits), uint32(*c&0xffff)
	p += (1<<chanceBits - leastChance - p) * uint32(pace[seen]) >> chanceBits
	*c = chance(p<<chanceBits | min(seen+1, seenMost))
}

func (c *chance) saw1() {
	p, seen := uint32(*c>>chanceBits), uint32(*c&0xffff)
	p -= (p - leastChance) * uint32(pace[seen]) >> chanceBits
	*c = chance(p<<chanceBits | min(seen+1, seenMost))
}
