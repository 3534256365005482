package ring

// Payload returns a slot's frames as bytes.
func (s *Slot) Payload() []byte { return s.payload }

// NewSlot makes a slot of any bytes.
func NewSlot(number uint64, beganMS int64, payload []byte) Slot {
	return Slot{number, beganMS, payload}
}
