package socket

import (
	"testing"

	"github.com/telltale-iot/telltale/schema"
)

func TestSeenMeansTheSameOnTheShortWay(t *testing.T) {
	for _, n := range []uint64{0, 1, 9, 10, 4711, 999_999_999_999_999_999} {
		message, err := schema.Encode(&schema.Seen{N: n})
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := onlySeen(message); !ok || got != n {
			t.Errorf("%s is %d, %v", message, got, ok)
		}
	}
	for _, other := range []string{``, `{"t":"seen","n":}`, `{"t":"seen","n":-1}`, `{"t":"seen","n":01}`, `{"t":"seen","n":1e3}`, `{"t":"seen","n":1,"x":2}`,
		`{"t":"seen","n":1}]`, `[{"t":"seen","n":1}]`, `{"t":"seen", "n":1}`, `{"t":"seen","n":18446744073709551616}`, `{"t":"hidden","hidden":true}`} {
		if n, ok := onlySeen([]byte(other)); ok {
			t.Errorf("%s was taken for seen %d", other, n)
		}
	}
}
