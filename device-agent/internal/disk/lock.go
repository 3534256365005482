package disk

// Lock keeps others away while one waits for a disk. It is a channel and no sync.Mutex, because a disk may hang for ever: then its waiters
// count as waiting, and a test of what the rest of the agent does meanwhile can let time pass.
type Lock chan struct{}

// NewLock returns a lock that nobody holds.
func NewLock() Lock { return make(Lock, 1) }

// Lock waits for the lock.
func (l Lock) Lock() { l <- struct{}{} }

// Unlock gives it back.
func (l Lock) Unlock() { <-l }
