package uart

import (
	"bytes"
	"testing"
)

// sum accepts four bytes whose last is the sum of the two before it.
func sum(f []byte) bool { return f[3] == f[1]+f[2] }

func TestFrameIsFoundWhereverItBegins(t *testing.T) {
	for _, c := range []struct {
		name      string
		got, want []byte
	}{
		{"at once", []byte{0xAA, 1, 2, 3}, []byte{0xAA, 1, 2, 3}},
		{"after noise", []byte{7, 0xAA, 9, 0xAA, 1, 2, 3, 5}, []byte{0xAA, 1, 2, 3}},
		{"a head inside a broken one", []byte{0xAA, 0xAA, 1, 0xAB}, []byte{0xAA, 0xAA, 1, 0xAB}},
		{"wrong sum", []byte{0xAA, 1, 2, 4}, nil},
		{"cut off", []byte{0xAA, 1, 2}, nil},
		{"empty", nil, nil},
	} {
		frame, _ := search(c.got, []byte{0xAA}, 4, sum)
		if !bytes.Equal(frame, c.want) {
			t.Errorf("%s: % x", c.name, frame)
		}
	}
}

func FuzzSearch(f *testing.F) {
	f.Add([]byte{7, 0x42, 0x4D, 1, 0x42}, 2)
	f.Fuzz(func(t *testing.T, stream []byte, cut int) {
		cut = max(0, min(cut, len(stream)))
		whole, _ := search(bytes.Clone(stream), []byte{0xAA}, 4, sum)
		first, rest := search(bytes.Clone(stream[:cut]), []byte{0xAA}, 4, sum)
		if first == nil {
			first, _ = search(append(rest, stream[cut:]...), []byte{0xAA}, 4, sum)
		}
		if !bytes.Equal(first, whole) {
			t.Fatalf("in one piece % x, cut at %d % x", whole, cut, first)
		}
	})
}
